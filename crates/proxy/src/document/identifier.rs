//! How requests get names (dataplane.md §4.2, routing.md §3).

use super::ingress::IngressIdentifier;
use config::{config, kinds};
use names::Path;

kinds! {
    /// How a request gets its name.
    pub enum Identifier: "identifier", key "kind" {
        "io.l5d.header.token" => HeaderToken(HeaderToken),
        "io.l5d.header" => Header(HeaderPath),
        "io.l5d.methodAndHost" => MethodAndHost(MethodAndHost),
        "io.l5d.path" => Path(PathSegments),
        "io.l5d.static" => Static(StaticName),
        "io.l5d.ingress" => Ingress(IngressIdentifier),
    }
    later { "io.l5d.k8s.istio", "io.l5d.k8s.istio-ingress" }
}

config! {
    /// The name is one element: the value of a header, as it is.
    pub struct HeaderToken {
        /// The header.
        header "header": String = "Host", example "l5d-name";
    }
}

config! {
    /// The name is the value of a header, read as a path.
    pub struct HeaderPath {
        /// The header.
        header "header": String = "l5d-name", example "my-header";
    }
}

config! {
    /// The name is `/1.1/<method>/<host>`, the host in lower case; of an HTTP/1.0 request `/1.0/<method>`.
    pub struct MethodAndHost {
        /// Whether the path of the request's target follows.
        http_uri_in_dst "httpUriInDst": bool = "false", example "true";
    }
}

config! {
    /// The name is the first segments of the path of the request's target.
    pub struct PathSegments {
        /// How many segments. With less than 0 no request has enough.
        segments "segments": i32 = "1", example "2";
        /// Whether the target is sent on without them.
        consume "consume": bool = "false", example "true";
    }
}

config! {
    /// All requests have one name.
    pub struct StaticName {
        /// The name, behind `dstPrefix`.
        path "path": Path, missing "path is required", example "/web";
    }
}

//! How requests get names and how names are bound: identifiers, interpreters, namers (routing.md §2, §3, §6).

use config::{Directory, config, kinds};
use names::Path;

kinds! {
    /// How a request gets its name.
    pub enum Identifier: "identifier", key "kind" {
        "io.l5d.header.token" => HeaderToken(HeaderToken),
    }
    later {
        "io.l5d.header", "io.l5d.methodAndHost", "io.l5d.path", "io.l5d.static", "io.l5d.ingress", "io.l5d.k8s.istio",
        "io.l5d.k8s.istio-ingress",
    }
}

config! {
    /// The name is one element: the value of a header, as it is.
    pub struct HeaderToken {
        /// The header.
        header "header": String = "Host", example "l5d-name";
    }
}

kinds! {
    /// Who binds the names of a router.
    pub enum Interpreter: "interpreter", key "kind", default "default" {
        "default" => Default(DefaultInterpreter),
    }
    later {
        "io.l5d.namerd", "io.l5d.namerd.http", "io.l5d.mesh", "io.l5d.fs", "io.l5d.k8s.configMap",
        "io.l5d.consul.interpreter", "io.l5d.k8s.istio",
    }
}

config! {
    /// The router's own dtab and the namers of this document.
    pub struct DefaultInterpreter {
        /// Accepted without effect: this interpreter is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
    later { "transformers" }
}

kinds! {
    /// A source of replica sets, answering names that begin with `/#` and its prefix.
    pub enum Namer: "namer", key "kind" {
        "io.l5d.fs" => Fs(FsNamer),
    }
    later {
        "io.l5d.rewrite", "io.l5d.serversets", "io.l5d.consul", "io.l5d.k8s", "io.l5d.k8s.ns", "io.l5d.k8s.external",
        "io.l5d.k8s.istio", "io.l5d.marathon", "io.l5d.dnssrv", "io.l5d.rancher", "io.l5d.zkLeader", "io.l5d.curator",
    }
}

config! {
    /// Files as discovery: each file of a directory is a name, each of its lines an address.
    pub struct FsNamer {
        /// The directory, watched for changes.
        root_dir "rootDir": Directory, example "/disco";
        /// What its names begin with after `/#`.
        prefix "prefix": Path = "/io.l5d.fs", example "/files";
        /// Accepted without effect: this namer is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
    later { "transformers" }
}

//! `addForwardedHeader`: what back ends are told of where a request came from (dataplane.md §3.4).

use super::NoKeys;
use config::{config, kinds};

config! {
    /// Adds a `Forwarded` field (RFC 7239), each end of the caller's connection under a label.
    pub struct Forwarded {
        /// How this end is called.
        by "by": Labeler = "{kind: requestRandom}", example "{kind: router}";
        /// How the caller's end is called.
        r#for "for": Labeler = "{kind: requestRandom}", example "{kind: 'ip:port'}";
    }
}

kinds! {
    /// How one end of a connection is called.
    pub enum Labeler: "labeler", key "kind" {
        /// Its address.
        "ip" => Ip(NoKeys),
        /// Its address and port.
        "ip:port" => IpPort(NoKeys),
        /// `_` and six random characters, others for each request.
        "requestRandom" => RequestRandom(NoKeys),
        /// `_` and six random characters, others for each connection.
        "connectionRandom" => ConnectionRandom(NoKeys),
        /// `_` and the router's label.
        "router" => Router(NoKeys),
        "static" => Static(StaticLabel),
    }
}

config! {
    /// `_` and a label of your choice.
    pub struct StaticLabel {
        /// The label; a `_` it begins with already is not doubled.
        label "label": String, example "edge";
    }
}

//! Routers and their servers (dataplane.md §2, §3, §4.1).

use super::client::ClientSettings;
use super::naming::{Identifier, Interpreter};
use super::positive;
use super::service::ServiceSettings;
use super::socket::SocketOptions;
use config::{Context, Fault, OneOrMore, Places, Scopes, Spanned, config, kinds};
use names::{Dtab, Path};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

kinds! {
    /// A router: servers that take requests in, names for the requests, and how those names are bound and called.
    pub enum Router: "protocol", key "protocol" {
        "http" => Http(HttpRouter),
    }
    later { "h2", "thrift", "thriftmux", "mux" }
}

impl Router {
    /// The router's name in metrics and messages.
    pub fn label(&self) -> &str {
        match self {
            Router::Http(router) => router.label(),
        }
    }
}

config! {
    /// A router for HTTP/1.1.
    pub struct HttpRouter {
        /// The router's name in metrics and messages; the protocol's name when absent. Unique in a document.
        label "label": Option<Spanned<String>>, example "outgoing";
        /// Where requests come in.
        servers "servers": Vec<HttpServer> = "[]", from 1, example "[{port: 4140}]";
        /// How names are rewritten until they are bound.
        dtab "dtab": Dtab = "''", example "/svc => /#/io.l5d.fs;";
        /// What every name begins with.
        dst_prefix "dstPrefix": Path = "/svc", example "/http";
        /// Who binds names.
        interpreter "interpreter": Interpreter = "{kind: default}", example "{kind: io.l5d.fs, dtabFile: /etc/dtab}";
        /// How long a request waits for its name to be bound the first time, in milliseconds.
        binding_timeout_ms "bindingTimeoutMs": u32 = "10000", example "5000";
        /// How many names and replica sets are kept, and for how long.
        binding_cache "bindingCache": BindingCache = "{}", example "{paths: 100, idleTtlSecs: 60}";
        /// How a request gets its name. May be a list, so far of one.
        identifier "identifier": OneOrMore<Identifier> = "{kind: io.l5d.header.token}",
            example "{kind: io.l5d.header.token, header: l5d-name}";
        /// What holds for names as callers say them.
        service "service": Scopes<ServiceSettings>, example "{totalTimeoutMs: 1000}";
        /// What holds for replica sets.
        client "client": Scopes<ClientSettings>,
            example "{kind: io.l5d.static, configs: [{prefix: /#/io.l5d.fs/web, requestAttemptTimeoutMs: 100}]}";
        /// Exports the gauge `originator`; no effect on traffic.
        originator "originator": bool = "false", example "true";
        /// Accepted without effect: nothing that is built needs it.
        experimental "experimental": bool = "false", example "true";
        /// The limit of all headers of a message, in KB of 1024 bytes.
        max_headers_kb "maxHeadersKB": u32 = "8", from 1, check positive, example "16";
        /// The limit of the first line of a message, in KB.
        max_initial_line_kb "maxInitialLineKB": u32 = "4", from 1, check positive, example "16";
        /// The limit of the text of a generated error answer, in KB.
        max_err_response_kb "maxErrResponseKB": u32 = "5120", from 1, check positive, example "100";
        /// Bodies longer than this, in KB, are passed on as they come and cannot be sent twice; so are bodies whose length
        /// is not known.
        stream_after_content_length_kb "streamAfterContentLengthKB": u32 = "5", example "10";
        /// Whether bodies may be passed on as they come. Without it all are held whole, up to 64 MB each: a longer request
        /// is answered 413, a longer answer of a back end 502. Trailers are lost.
        streaming_enabled "streamingEnabled": bool = "true", example "false";
        /// Compresses answers for callers that accept gzip or deflate: -1 those of textual types, 1 (fast) to 9 (small)
        /// those of all types, 0 none.
        compression_level "compressionLevel": i32 = "-1", from -1 to 9, check zlib_level, example "0";
        /// Passes WebSocket and other upgrades on, and CONNECT: once the back end agrees, bytes pass both ways. An extension
        /// of Wayleave.
        tunnels "tunnels": bool = "false", example "true";
    }
    later {
        "announcers", "tracePropagator", "httpAccessLog", "httpAccessLogRollPolicy", "httpAccessLogAppend",
        "httpAccessLogRotateCount", "requestAuthorizers",
    }
    former {
        "maxChunkKB" until "1.6.0" => "chunks are passed on as they come",
        "maxRequestKB" until "1.7.0" => "bodies are not held whole, so they need no limit",
        "maxResponseKB" until "1.7.0" => "bodies are not held whole, so they need no limit",
    }
    rule consistent;
}

/// What no single key can tell.
fn consistent(router: &HttpRouter, places: Places<'_>, cx: &mut Context) -> Option<()> {
    one_identifier(router, places, cx).and(one_way_of_streaming(router, places, cx))
}

/// A document that says both wants two things.
fn one_way_of_streaming(router: &HttpRouter, places: Places<'_>, cx: &mut Context) -> Option<()> {
    let key = "streamAfterContentLengthKB";
    if router.streaming_enabled || !places.has(key) {
        return Some(());
    }
    let message = format!(
        "Conflicting streaming options set. Can't disable streaming and set {key} in {}",
        router.label()
    );
    cx.fault(Fault::new(places.of(key), message).expected("one of the two keys only"));
    None
}

/// The levels zlib knows, and -1.
fn zlib_level(value: &i32) -> Result<(), String> {
    if (-1..=9).contains(value) { Ok(()) } else { Err(format!("{value} is not a level from -1 to 9")) }
}

/// Trying several identifiers in turn comes with the kinds that make it useful.
fn one_identifier(router: &HttpRouter, places: Places<'_>, cx: &mut Context) -> Option<()> {
    if router.identifier.len() > 1 {
        cx.fault(Fault::not_built(places.of("identifier"), "a list of several identifiers"));
        return None;
    }
    Some(())
}

impl HttpRouter {
    /// The router's name in metrics and messages.
    pub fn label(&self) -> &str {
        self.label.as_ref().map_or("http", |label| label.as_str())
    }

    /// How long a request waits for its name to be bound the first time.
    pub fn binding_timeout(&self) -> Duration {
        Duration::from_millis(self.binding_timeout_ms.into())
    }
}

config! {
    /// A socket that takes requests in.
    pub struct HttpServer {
        /// The port; 0 lets the system choose one.
        port "port": Spanned<u16> = "4140", example "8080";
        /// The address to listen on; `0.0.0.0` is all of IPv4.
        ip "ip": IpAddr = "127.0.0.1", example "0.0.0.0";
        /// Accepted without effect: as in Linkerd, a server is called by its address.
        label "label": Option<String>, example "front";
        /// Options of the listening socket and of its connections.
        socket_options "socketOptions": SocketOptions = "{}", example "{backlog: 128}";
    }
    later {
        "tls", "maxConcurrentRequests", "timeoutMs", "serverSession", "addForwardedHeader",
        "timestampHeader", "maxCallDepth",
    }
    only {
        /// Whether Linkerd's own headers of callers are removed.
        "clearContext": bool = "false";
        /// Under which names the server is announced.
        "announce": Vec<Path> = "[]";
    }
    former { "engine" until "1.3.0" => "there is one engine" }
}

impl HttpServer {
    /// The address to listen on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.value)
    }
}

config! {
    /// How many names and replica sets a router keeps; those without use longest make room for new ones.
    pub struct BindingCache {
        /// Names as callers say them.
        paths "paths": u32 = "1000", from 1, check positive, example "100";
        /// Accepted without effect: trees belong to the name that asked for them and go with it.
        trees "trees": u32 = "1000", from 1, check positive, example "100";
        /// Accepted without effect: bound names belong to the name that asked for them and go with it.
        bounds "bounds": u32 = "1000", from 1, check positive, example "100";
        /// Accepted without effect: a replica set stays while a name leads to it, so that its connections do.
        clients "clients": u32 = "1000", from 1, check positive, example "100";
        /// After how many seconds without use an entry is dropped.
        idle_ttl_secs "idleTtlSecs": u32 = "600", from 1, check positive, example "60";
    }
}

impl BindingCache {
    /// After how long without use an entry is dropped.
    pub fn idle_ttl(&self) -> Duration {
        Duration::from_secs(self.idle_ttl_secs.into())
    }
}

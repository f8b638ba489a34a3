//! Routers and their servers (dataplane.md §2, §3, §4.1).

use super::client::ClientSettings;
use super::forwarded::Forwarded;
use super::identifier::Identifier;
use super::naming::Interpreter;
use super::service::ServiceSettings;
use super::session::Session;
use super::socket::SocketOptions;
use super::{NoKeys, positive, positive_if_any};
use config::{Context, Fault, OneOrMore, Places, Scopes, Spanned, config, kinds};
use names::{Dtab, Path};
use router::header::Known;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use telemetry::{AccessLogFile, RollPolicy};

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
        /// How a request gets its name. A list is tried in its order: the first that knows the request names it.
        identifier "identifier": OneOrMore<Identifier> = "{kind: io.l5d.header.token}",
            example "[{kind: io.l5d.header}, {kind: io.l5d.path, segments: 2}]";
        /// How trace ids travel from proxy to proxy.
        trace_propagator "tracePropagator": TracePropagator = "{kind: io.l5d.default}",
            example "{kind: io.l5d.zipkin}";
        /// What holds for names as callers say them.
        service "service": Scopes<ServiceSettings>, example "{totalTimeoutMs: 1000}";
        /// What holds for replica sets.
        client "client": Scopes<ClientSettings>,
            example "{kind: io.l5d.static, configs: [{prefix: /#/io.l5d.fs/web, requestAttemptTimeoutMs: 100}]}";
        /// Exports the gauge `originator`; no effect on traffic.
        originator "originator": bool = "false", example "true";
        /// How many services, clients and services of clients have metrics of their own at a time; further ones are counted
        /// together as `other`. A key of Wayleave's.
        max_metric_scopes "maxMetricScopes": u32 = "30000", from 1, check positive, example "1000";
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
        /// The file that gets a line for each answer of a replica; may be a device such as `/dev/stdout`. Empty is none.
        http_access_log "httpAccessLog": Option<String>, example "/var/log/access.log";
        /// When that file is put aside: `never`, `hourly`, `daily`, `weekly(n)` (1 is Sunday), `sighup`, or before it grows
        /// beyond a size such as `3.megabytes`.
        http_access_log_roll_policy "httpAccessLogRollPolicy": String = "never", check roll_policy, example "daily";
        /// Whether lines already in that file are kept when the proxy starts.
        http_access_log_append "httpAccessLogAppend": bool = "true", example "false";
        /// How many files that were put aside are kept; `-1` keeps all.
        http_access_log_rotate_count "httpAccessLogRotateCount": i32 = "-1", example "7";
    }
    later { "announcers", "requestAuthorizers" }
    former {
        "timeoutMs" until "1.0.0" => "`totalTimeoutMs` of `service` and `requestAttemptTimeoutMs` of `client` limit requests",
        "maxChunkKB" until "1.6.0" => "chunks are passed on as they come",
        "maxRequestKB" until "1.7.0" => "bodies are passed on as they come, or held up to a fixed limit: see `streamingEnabled`",
        "maxResponseKB" until "1.7.0" => "bodies are passed on as they come, or held up to a fixed limit: see `streamingEnabled`",
    }
    rule one_way_of_streaming;
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

/// A policy that can be read; the fault says what may be written.
#[expect(clippy::ptr_arg, reason = "what checks a key's value is given the value's own type")]
fn roll_policy(value: &String) -> Result<(), String> {
    value.parse::<RollPolicy>().map(|_| ())
}

kinds! {
    /// How trace ids travel from proxy to proxy.
    pub enum TracePropagator: "trace propagator", key "kind" {
        /// In `l5d-ctx-trace`, as Linkerds do it.
        "io.l5d.default" => Linkerd(NoKeys),
        /// In the B3 fields `x-b3-*`, as Zipkin does it.
        "io.l5d.zipkin" => Zipkin(NoKeys),
    }
}

impl HttpRouter {
    /// The router's name in metrics and messages.
    pub fn label(&self) -> &str {
        self.label.as_ref().map_or("http", |label| label.as_str())
    }

    /// The access log that is asked for.
    pub fn access_log(&self) -> Option<AccessLogFile> {
        let path = self.http_access_log.as_ref().filter(|path| !path.is_empty())?;
        Some(AccessLogFile {
            path: path.into(),
            // Checked when it was read.
            policy: self.http_access_log_roll_policy.parse().unwrap_or_default(),
            append: self.http_access_log_append,
            keep: usize::try_from(self.http_access_log_rotate_count).ok(),
        })
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
        /// Whether callers are strangers: what they say in `l5d-*` fields is dropped, and answers tell them nothing of
        /// that kind.
        clear_context "clearContext": bool = "false", example "true";
        /// Tells back ends where a request came from, in a `Forwarded` field; nothing is told when absent.
        add_forwarded_header "addForwardedHeader": Option<Forwarded>, example "{for: {kind: ip}}";
        /// The field that tells back ends when a request came in, in milliseconds since 1970; none when absent.
        timestamp_header "timestampHeader": Option<String>, check field_name, example "x-request-start";
        /// How many proxies a request may have come through, by its `Via`; more is taken for a loop.
        max_call_depth "maxCallDepth": u32 = "1000", example "20";
        /// Accepted without effect: there is nobody to announce it to, because announcers are not built.
        announce "announce": Vec<Path> = "[]", example "['/#/io.l5d.serversets/web']";
        /// How many requests may wait for their answer at a time; more are refused with 503, safe to be sent again. No limit
        /// when absent.
        max_concurrent_requests "maxConcurrentRequests": Option<u32>, from 1, check positive_if_any, example "1000";
        /// How long a request may take with all its retries, in milliseconds; 0 or less is no limit.
        timeout_ms "timeoutMs": Option<i32>, example "10000";
        /// How long callers' connections live.
        server_session "serverSession": Session = "{}", example "{idleTimeMs: 60000}";
    }
    later { "tls" }
    former { "engine" until "1.3.0" => "there is one engine" }
    rule announced;
}

/// A field the proxy may add: a legal name, and none that it reads or writes for reasons of its own.
fn field_name(name: &Option<String>) -> Result<(), String> {
    let Some(name) = name else { return Ok(()) };
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!("`{name}` is no name of a header field"));
    }
    match Known::classify(name.as_bytes()) {
        Some(known) => Err(format!("the field `{}` has another meaning", known.text())),
        None => Ok(()),
    }
}

/// As Linkerd: a name that no announcer takes is worth a warning.
fn announced(server: &HttpServer, places: Places<'_>, cx: &mut Context) -> Option<()> {
    for name in &server.announce {
        let fault = Fault::new(places.of("announce"), format!("no announcer found for {name}"));
        cx.fault(fault.expected("nothing here: announcers are not built yet").warning());
    }
    Some(())
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

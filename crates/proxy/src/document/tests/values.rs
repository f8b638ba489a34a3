//! What a document means: defaults, every key changed from its default, scopes, the checks across routers.

use super::super::{
    Backoff, Classifier, FailureAccrual, HttpRouter, Identifier, Labeler, LoadBalancer, Namer, Router,
    Telemeter,
};
use super::{anywhere, router, wrong};
use std::time::Duration;
use telemetry::{AccessLogFile, RollPolicy};

fn http(text: &str) -> HttpRouter {
    let document = anywhere(text).unwrap_or_else(|faults| panic!("{text}\n{faults}"));
    let Some(Router::Http(router)) = document.routers.into_iter().next() else {
        panic!("no router in {text}")
    };
    router
}

#[test]
fn the_least_document_has_all_defaults() {
    let document = anywhere("routers: [{protocol: http, servers: [{}]}]").expect("a document");
    assert_eq!(document.admin.address().to_string(), "127.0.0.1:9990");
    assert_eq!(document.admin.shutdown_grace(), Duration::from_secs(10));
    assert_eq!((document.namers.len(), document.telemetry.len(), document.usage.enabled), (0, 0, true));
    assert!(document.warnings.is_empty());
    let Router::Http(router) = &document.routers[0];
    assert_eq!(
        (router.label(), router.label.is_some(), document.routers[0].label()),
        ("http", false, "http")
    );
    assert_eq!(router.servers[0].address().to_string(), "127.0.0.1:4140");
    assert!(router.dtab.is_empty());
    assert_eq!(router.access_log().map(|log| log.path), None);
    assert_eq!(router.dst_prefix.to_string(), "/svc");
    assert_eq!(router.binding_timeout(), Duration::from_secs(10));
    let cache = &router.binding_cache;
    assert_eq!((cache.paths, cache.trees, cache.bounds, cache.clients), (1000, 1000, 1000, 1000));
    assert_eq!(cache.idle_ttl(), Duration::from_secs(600));
    assert_eq!(router.identifier.len(), 1);
    assert!(matches!(&router.identifier[0], Identifier::HeaderToken(token) if token.header == "Host"));
    assert_eq!(router.trace_propagator.kind(), "io.l5d.default");
    let server = &router.servers[0];
    assert_eq!((server.clear_context, server.max_call_depth), (false, 1000));
    assert_eq!((&server.add_forwarded_header, &server.timestamp_header), (&None, &None));
    assert_eq!((router.max_headers_kb, router.max_initial_line_kb, router.max_err_response_kb), (8, 4, 5120));
    assert_eq!(
        (router.stream_after_content_length_kb, router.originator, router.experimental),
        (5, false, false)
    );
}

#[test]
fn scopes_without_keys_have_all_defaults() {
    let router = http(&router(""));
    let service = router.service.resolve(&"/svc/web".parse().expect("a path"));
    assert_eq!(service.total_timeout(), None);
    assert!(matches!(service.response_classifier(), Classifier::NonRetryable5xx(_)));
    let retries = service.retries();
    assert_eq!(
        (retries.budget.min_retries_per_sec, retries.budget.percent_can_retry, retries.budget.ttl_secs),
        (10, 0.2, 10)
    );
    assert!(matches!(retries.backoff, Backoff::Constant(constant) if constant.ms == 0));
    let client = router.client.resolve(&"/#/io.l5d.fs/web".parse().expect("a path"));
    assert_eq!(client.request_attempt_timeout(), None);
    assert!(matches!(client.load_balancer(), LoadBalancer::P2c(p2c) if p2c.max_effort == 5));
    let FailureAccrual::ConsecutiveFailures(accrual) = client.failure_accrual() else {
        panic!("another accrual")
    };
    assert_eq!((accrual.failures, accrual.backoff), (5, None));
    assert_eq!(client.requeue_budget(), retries.budget);
}

#[test]
fn every_key_of_a_router_is_read() {
    let text = "  label: out\n  dtab: |\n    /svc => /srv ;\n    /srv => /$/inet/127.1/80 ;\n  dstPrefix: /http\n  bindingTimeoutMs: 5\n\
                \x20 bindingCache: {paths: 1, trees: 2, bounds: 3, clients: 4, idleTtlSecs: 5}\n\
                \x20 identifier: [{kind: io.l5d.header.token, header: a}]\n  tracePropagator: {kind: io.l5d.zipkin}\n\
                \x20 interpreter: {kind: default}\n  originator: true\n  experimental: true\n  maxHeadersKB: 1\n\
                \x20 maxInitialLineKB: 2\n  maxErrResponseKB: 3\n  streamAfterContentLengthKB: 4\n\
                \x20 httpAccessLog: /a/b.log\n  httpAccessLogRollPolicy: Weekly(2)\n  httpAccessLogAppend: false\n\
                \x20 httpAccessLogRotateCount: 3\n";
    let router = http(&router(text));
    assert_eq!(
        (router.label(), router.dtab.len(), router.dst_prefix.to_string().as_str()),
        ("out", 2, "/http")
    );
    assert_eq!(router.binding_timeout(), Duration::from_millis(5));
    let AccessLogFile { path, policy, append, keep } = router.access_log().expect("a log");
    assert_eq!(
        (path.to_str(), policy, append, keep),
        (Some("/a/b.log"), RollPolicy::Weekly(2), false, Some(3))
    );
    let cache = &router.binding_cache;
    assert_eq!((cache.paths, cache.trees, cache.bounds, cache.clients, cache.idle_ttl_secs), (1, 2, 3, 4, 5));
    assert!(matches!(&*router.identifier, [Identifier::HeaderToken(token)] if token.header == "a"));
    assert_eq!(router.trace_propagator.kind(), "io.l5d.zipkin");
    assert_eq!((router.originator, router.experimental), (true, true));
    assert_eq!((router.max_headers_kb, router.max_initial_line_kb, router.max_err_response_kb), (1, 2, 3));
    assert_eq!(router.stream_after_content_length_kb, 4);
}

#[test]
fn every_key_of_the_top_level_is_read() {
    let document = anywhere(
        "admin: {ip: 0.0.0.0, port: 9991, shutdownGraceMs: 5}\nusage: {orgId: me, enabled: false}\n\
         namers:\n- {kind: io.l5d.fs, rootDir: /disco}\n- {kind: io.l5d.fs, rootDir: /other, prefix: /files, experimental: true}\n\
         telemetry:\n- {kind: io.l5d.prometheus, path: /m, prefix: l5d_, histograms: false}\n- kind: io.l5d.prometheus\n\
         routers:\n- protocol: http\n  servers: [{ip: '::1', port: 0, label: x}, {port: 80}]\n",
    )
    .unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(
        (document.admin.address().to_string().as_str(), document.admin.shutdown_grace_ms),
        ("0.0.0.0:9991", 5)
    );
    assert_eq!((document.usage.org_id.as_deref(), document.usage.enabled), (Some("me"), false));
    let [Namer::Fs(first), Namer::Fs(second)] = document.namers.as_slice() else { panic!("two namers") };
    assert_eq!((first.root_dir.to_str(), first.prefix.to_string().as_str()), (Some("/disco"), "/io.l5d.fs"));
    assert_eq!((second.root_dir.to_str(), second.prefix.to_string().as_str()), (Some("/other"), "/files"));
    let [Telemeter::Prometheus(first), Telemeter::Prometheus(second)] = document.telemetry.as_slice() else {
        panic!("two")
    };
    assert_eq!((first.path.as_str(), first.prefix.as_str(), first.histograms), ("/m", "l5d_", false));
    assert_eq!(
        (second.path.as_str(), second.prefix.as_str(), second.histograms),
        ("/admin/metrics/prometheus", "", true)
    );
    let addresses: Vec<String> = document
        .routers
        .iter()
        .flat_map(|Router::Http(router)| &router.servers)
        .map(|server| server.address().to_string())
        .collect();
    assert_eq!(addresses, ["[::1]:0", "127.0.0.1:80"]);
}

#[test]
fn every_key_of_a_service_and_a_client_is_read() {
    let router = http(&router(
        "  service:\n    totalTimeoutMs: 7\n    responseClassifier: {kind: io.l5d.http.retryableRead5XX}\n\
         \x20   retries: {budget: {minRetriesPerSec: 1, percentCanRetry: 0.5, ttlSecs: 2}, backoff: {kind: jittered, minMs: 3, maxMs: 4}}\n\
         \x20 client:\n    loadBalancer: {kind: ewma, maxEffort: 6, decayTimeMs: 8}\n    requestAttemptTimeoutMs: 9\n\
         \x20   failureAccrual: {kind: io.l5d.consecutiveFailures, failures: 3, backoff: {kind: constant, ms: 11}}\n\
         \x20   requeueBudget: {ttlSecs: 12}\n",
    ));
    let service = router.service.resolve(&"/svc/x".parse().expect("a path"));
    assert_eq!(service.total_timeout(), Some(Duration::from_millis(7)));
    assert!(matches!(service.response_classifier(), Classifier::RetryableRead5xx(_)));
    let retries = service.retries();
    assert_eq!(
        (retries.budget.min_retries_per_sec, retries.budget.percent_can_retry, retries.budget.ttl_secs),
        (1, 0.5, 2)
    );
    assert!(
        matches!(retries.backoff, Backoff::Jittered(jittered) if (jittered.min_ms, jittered.max_ms) == (3, 4))
    );
    let client = router.client.resolve(&"/#/x".parse().expect("a path"));
    assert!(
        matches!(client.load_balancer(), LoadBalancer::Ewma(ewma) if (ewma.max_effort, ewma.decay_time_ms) == (6, 8))
    );
    assert_eq!(client.request_attempt_timeout(), Some(Duration::from_millis(9)));
    let FailureAccrual::ConsecutiveFailures(accrual) = client.failure_accrual() else {
        panic!("another accrual")
    };
    assert!(matches!(accrual.backoff, Some(Backoff::Constant(constant)) if constant.ms == 11));
    assert_eq!((accrual.failures, client.requeue_budget().ttl_secs), (3, 12));
}

/// dataplane.md §5.1 and the second example of §6.1, with the keys that are built.
#[test]
fn services_and_clients_by_prefix() {
    let router = http(&router(
        "  service:\n    kind: io.l5d.static\n    configs:\n    - {prefix: /, totalTimeoutMs: 100}\n    - {prefix: /svc/foo, totalTimeoutMs: 200}\n\
         \x20 client:\n    kind: io.l5d.static\n    configs:\n    - {prefix: '/#/io.l5d.fs/{service}', requestAttemptTimeoutMs: 1}\n\
         \x20   - {prefix: /#/io.l5d.fs/bar, failureAccrual: {kind: none}}\n",
    ));
    let check = |name: &str, expected: Option<u64>| {
        let settings = router.service.resolve(&name.parse().expect("a path"));
        assert_eq!(settings.total_timeout(), expected.map(Duration::from_millis), "{name}");
    };
    check("/svc/foo", Some(200));
    check("/svc/bar", Some(100));
    let check = |name: &str, timeout: Option<u64>, accrual: &str| {
        let settings = router.client.resolve(&name.parse().expect("a path"));
        assert_eq!(settings.request_attempt_timeout(), timeout.map(Duration::from_millis), "{name}");
        assert_eq!(settings.failure_accrual().kind(), accrual, "{name}");
    };
    check("/#/io.l5d.fs/foo", Some(1), "io.l5d.consecutiveFailures");
    check("/#/io.l5d.fs/bar", Some(1), "none");
    check("/#/io.l5d.wrong/bas", None, "io.l5d.consecutiveFailures");
}

#[test]
fn timeouts_of_zero_and_less_are_none() {
    for millis in ["0", "-1"] {
        let router = http(&router(&format!("  service: {{totalTimeoutMs: {millis}}}\n")));
        assert_eq!(router.service.resolve(&"/svc/x".parse().expect("a path")).total_timeout(), None);
    }
}

/// Row 84 of dataplane.md §13: the conditions of §1.4 whose keys are built.
#[test]
fn row_84_validation_errors() {
    let check = |text: &str, expected: &[&str]| match anywhere(text) {
        Ok(_) => assert!(expected.is_empty(), "{text}"),
        Err(faults) => assert_eq!(wrong(&faults), expected, "{text}"),
    };
    let none = "NoRoutersSpecified: At least one router must be specified in the configuration.";
    check("routers: []\n", &[&format!("1: {none}")]);
    check("usage: {}\n", &[&format!("1: {none}")]);
    check("usage: {}\nrouters: ~\n", &[&format!("1: {none}")]);
    check("routers: http\n", &["1: `http` does not fit key `routers`"]);
    check("routers: {protocol: http}\n", &["1: an object does not fit key `routers`"]);
    check("routers:\n- {servers: [{}]}\n", &["2: key `protocol` is missing"]);
    check("routers:\n- {protocol: htpp, servers: [{}]}\n", &["2: unknown protocol `htpp`"]);
    check("routers:\n- protocol: http\n", &["2: router 'http' has no servers"]);
    check("routers:\n- protocol: http\n  label: x\n  servers: []\n", &["4: router 'x' has no servers"]);
    let two =
        |first: &str, second: &str| format!("routers:\n- protocol: http\n{first}- protocol: http\n{second}");
    let labels = two("  servers: [{port: 1}]\n", "  servers: [{port: 2}]\n");
    check(&labels, &["4: ConflictingLabels: Multiple routers with the label http"]);
    let ports = two("  label: a\n  servers: [{port: 1}]\n", "  label: b\n  servers: [{port: 1}]\n");
    check(&ports, &["7: ConflictingPorts: Server conflict on port 1"]);
    check(&ports.replacen("port: 1", "port: 1, ip: 127.0.0.2", 1), &[]);
    check(&ports.replace("port: 1", "port: 0"), &[]);
    let all = "7: ConflictingPorts: Server conflict on port 1";
    check(&ports.replacen("port: 1", "port: 1, ip: 0.0.0.0", 1), &[all]);
    check(&ports.replacen("port: 1", "port: 1, ip: '::'", 1), &[]);
    let admin = "admin: {ip: 0.0.0.0, port: 4140}\n";
    check(&format!("{admin}{}", router("")), &["5: ConflictingPorts: Server conflict on port 4140"]);
    check(&ports.replace("port: 1", ""), &["7: ConflictingPorts: Server conflict on port 4140"]);
    check(&router("").replace("4140", "9990"), &["4: ConflictingPorts: Server conflict on port 9990"]);
    let identifier = |ports: &str| format!("admin: {{{ports}}}\n{}", router(""));
    check(&identifier("httpIdentifierPort: 4140"), &["5: ConflictingPorts: Server conflict on port 4140"]);
    check(&identifier("httpIdentifierPort: 9990"), &["1: the admin server has this port"]);
    check(&identifier("ip: 127.0.0.2, httpIdentifierPort: 4140"), &[]);
    let both = "streamingEnabled: false\n  streamAfterContentLengthKB: 5\n";
    let conflict = "Conflicting streaming options set. Can't disable streaming and set streamAfterContentLengthKB in http";
    check(&router(&format!("  {both}")), &[&format!("4: {conflict}")]);
    check(&router(&format!("  {}", both.replace("false", "true"))), &[]);
    check(&router(&format!("  {}", both.replace("KB: 5", "KB: ~"))), &[]);
    let level = |level: &str| router(&format!("  compressionLevel: {level}\n"));
    for good in ["-1", "0", "1", "9"] {
        check(&level(good), &[]);
    }
    check(&level("10"), &["3: 10 is not a level from -1 to 9"]);
    check(&level("-2"), &["3: -2 is not a level from -1 to 9"]);
    let budget = |budget: &str| router(&format!("  service: {{retries: {{budget: {budget}}}}}\n"));
    check(&budget("{ttlSecs: 0}"), &["3: ttl must be [1 second, 60 seconds]: 0.seconds"]);
    check(&budget("{ttlSecs: 61}"), &["3: ttl must be [1 second, 60 seconds]: 61.seconds"]);
    check(&budget("{minRetriesPerSec: -1}"), &["3: minRetriesPerSec must be non-negative: -1"]);
    check(&budget("{ttlSecs: -1}"), &["3: ttl must be [1 second, 60 seconds]: -1.seconds"]);
    check(&budget("{percentCanRetry: -0.5}"), &["3: percentCanRetry must be non-negative: -0.5"]);
    check(
        &budget("{percentCanRetry: 1001}"),
        &["3: percentCanRetry must not be greater than 1000.0: 1001.0"],
    );
    check(&budget("{percentCanRetry: 1000.0, ttlSecs: 60, minRetriesPerSec: 0}"), &[]);
    let backoff = |backoff: &str| router(&format!("  service: {{retries: {{backoff: {backoff}}}}}\n"));
    check(&backoff("{kind: jittered}"), &["3: 'maxMs' must be specified", "3: 'minMs' must be specified"]);
    check(&backoff("{kind: jittered, minMs: 5}"), &["3: 'maxMs' must be specified"]);
    check(&backoff("{kind: jittered, minMs: 0, maxMs: 5}"), &["3: 'minMs' must be positive"]);
    check(
        &backoff("{kind: jittered, minMs: 6, maxMs: 5}"),
        &["3: 'minMs' (6) must not be greater than 'maxMs' (5)"],
    );
    check(&backoff("{kind: jittered, minMs: -1, maxMs: 5}"), &["3: minMs must be non-negative: -1"]);
    check(&router("  identifier: []\n"), &["3: empty identifier list"]);
    check(&router("  bindingCache: {paths: 0}\n"), &["3: 0 is not positive"]);
    check(&router("  service: {kind: io.l5d.static}\n"), &["3: key `configs` is missing"]);
    check(
        &router("  client: {loadBalancer: {kind: p2c, decayTimeMs: 5}}\n"),
        &["3: unknown key `decayTimeMs`"],
    );
    let policy = "3: Invalid log roll policy: monthly (expected never, hourly, daily, weekly(n) with n from 1 (Sunday) \
                  to 7 (Saturday), sighup, or a size such as 3.megabytes)";
    check(&router("  httpAccessLogRollPolicy: monthly\n"), &[policy]);
    check(&router("  h2AccessLog: x\n"), &["3: unknown key `h2AccessLog`"]);
    check(&router("  dstPrefix: x\n"), &["3: '/' expected but 'x' found at '[x]'"]);
}

#[test]
fn a_root_dir_must_be_a_directory() {
    let text = format!("namers: [{{kind: io.l5d.fs, rootDir: /no/such/folder}}]\n{}", router(""));
    let faults = super::super::load("linkerd.yaml", text.as_bytes()).expect_err("no such folder");
    assert_eq!(wrong(&faults), ["1: /no/such/folder is not a directory"]);
    let text = text.replace("/no/such/folder", "/");
    assert!(super::super::load("linkerd.yaml", text.as_bytes()).is_ok());
}

#[test]
fn a_dtab_file_must_be_a_file() {
    let text = router("  interpreter: {kind: io.l5d.fs, dtabFile: /no/such/file}\n");
    let faults = super::super::load("linkerd.yaml", text.as_bytes()).expect_err("no such file");
    assert_eq!(wrong(&faults), ["3: /no/such/file is not a file"]);
    let faults = super::super::load("linkerd.yaml", text.replace("/no/such/file", "/").as_bytes());
    assert_eq!(wrong(&faults.expect_err("a directory")), ["3: / is not a file"]);
    let text = text.replace("/no/such/file", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    assert!(super::super::load("linkerd.yaml", text.as_bytes()).is_ok());
}

#[test]
fn dns_servers() {
    let check = |host: &str, expected: Option<(&str, u16)>| {
        let namer = format!("namers: [{{kind: io.l5d.dnssrv, experimental: true, dnsHosts: ['{host}']}}]\n");
        let servers =
            anywhere(&format!("{namer}{}", router(""))).map(|document| match &document.namers[..] {
                [Namer::DnsSrv(srv)] => srv.servers(),
                other => panic!("{other:?}"),
            });
        let expected = expected.map(|(host, port)| vec![(host.to_owned(), port)]);
        assert_eq!(servers.ok(), expected, "{host}");
    };
    check("10.0.0.2", Some(("10.0.0.2", 53)));
    check("10.0.0.2:5353", Some(("10.0.0.2", 5353)));
    check("::1", Some(("::1", 53)));
    check("[::1]:5353", Some(("::1", 5353)));
    check("ns.internal", Some(("ns.internal", 53)));
    check("ns-1.internal:5353", Some(("ns-1.internal", 5353)));
    check("localhost", Some(("localhost", 53)));
    for bad in ["", "ns..internal", "10.0.0.256", "10.1", "ns:x", "ns:70000", "a b", "http://ns"] {
        check(bad, None);
    }
}

#[test]
fn anchors_serve_several_routers() {
    let document = anywhere(
        "routers:\n- &base\n  protocol: http\n  label: a\n  service: &s {totalTimeoutMs: 5}\n  servers: [{port: 1}]\n\
         - <<: *base\n  label: b\n  servers: [{port: 2}]\n- protocol: http\n  label: c\n  service: *s\n  servers: [{port: 3}]\n",
    )
    .unwrap_or_else(|faults| panic!("{faults}"));
    let timeouts = document
        .routers
        .iter()
        .map(|Router::Http(router)| router.service.entries[0].settings.total_timeout_ms);
    assert_eq!(timeouts.collect::<Vec<_>>(), [Some(5), Some(5), Some(5)]);
}

#[test]
fn a_fault_behind_an_anchor_is_one_fault() {
    let text = "routers:\n- protocol: http\n  label: a\n  service: &s {totalTimeoutMs: x}\n  servers: [{port: 1}]\n\
                - protocol: http\n  label: b\n  service: *s\n  servers: [{port: 2}]\n";
    let faults = anywhere(text).expect_err("x is no number");
    assert_eq!(wrong(&faults), ["4: `x` does not fit key `totalTimeoutMs`"]);
}

#[test]
fn every_identifier_is_read() {
    let list = "[{kind: io.l5d.header.token}, {kind: io.l5d.header}, {kind: io.l5d.header, header: a}, \
                {kind: io.l5d.methodAndHost, httpUriInDst: true}, {kind: io.l5d.path}, \
                {kind: io.l5d.path, segments: 2, consume: true}, {kind: io.l5d.static, path: /a/b}]";
    let router = http(&router(&format!("  identifier: {list}\n")));
    let [token, header, named, host, path, consume, fixed] = &*router.identifier else { panic!("seven") };
    assert!(matches!(token, Identifier::HeaderToken(of) if of.header == "Host"));
    assert!(matches!(header, Identifier::Header(of) if of.header == "l5d-name"));
    assert!(matches!(named, Identifier::Header(of) if of.header == "a"));
    assert!(matches!(host, Identifier::MethodAndHost(of) if of.http_uri_in_dst));
    assert!(matches!(path, Identifier::Path(of) if (of.segments, of.consume) == (1, false)));
    assert!(matches!(consume, Identifier::Path(of) if (of.segments, of.consume) == (2, true)));
    assert!(matches!(fixed, Identifier::Static(of) if of.path.to_string() == "/a/b"));
}

#[test]
fn every_key_of_what_comes_in_is_read() {
    let server = |keys: &str| {
        let text = format!("routers: [{{protocol: http, servers: [{{port: 1, {keys}}}]}}]");
        http(&text).servers.remove(0)
    };
    let read =
        server("clearContext: true, timestampHeader: X-Start, maxCallDepth: 2, addForwardedHeader: {}");
    assert!(read.clear_context && read.timestamp_header.as_deref() == Some("X-Start"));
    assert_eq!(read.max_call_depth, 2);
    let both = read.add_forwarded_header.expect("an empty object turns it on");
    assert_eq!((both.by.kind(), both.r#for.kind()), ("requestRandom", "requestRandom"));
    for kind in ["ip", "ip:port", "requestRandom", "connectionRandom", "router"] {
        let read = server(&format!(
            "addForwardedHeader: {{by: {{kind: '{kind}'}}, for: {{kind: static, label: x}}}}"
        ));
        let both = read.add_forwarded_header.expect("given");
        assert_eq!(both.by.kind(), kind);
        assert!(matches!(both.r#for, Labeler::Static(of) if of.label == "x"));
    }
}

/// dataplane.md §9: nobody takes the name, which is no fault.
#[test]
fn announcing_to_nobody_is_a_warning() {
    let text = "routers:\n- protocol: http\n  servers:\n  - port: 1\n    announce: [/#/a/b, /#/c]\n";
    let document = anywhere(text).expect("a document");
    assert_eq!(
        wrong(&document.warnings),
        ["5: no announcer found for /#/a/b", "5: no announcer found for /#/c"]
    );
    let faults = anywhere(&router("  announcers: [{kind: io.l5d.serversets, zkAddrs: []}]\n"));
    assert!(faults.expect_err("not built").iter().all(|fault| fault.reason == config::Reason::NotBuilt));
}

/// A field that frames or routes must not be added to every request.
#[test]
fn names_of_time_stamps() {
    for (name, why) in [
        ("Content-Length", "the field `Content-Length` has another meaning"),
        ("host", "the field `Host` has another meaning"),
        ("'a b'", "`a b` is no name of a header field"),
        ("''", "`` is no name of a header field"),
    ] {
        let text = format!("routers: [{{protocol: http, servers: [{{timestampHeader: {name}}}]}}]");
        let faults = anywhere(&text).expect_err(name).to_string();
        assert!(faults.contains(why), "{faults}");
    }
}

#[test]
fn a_json_document_is_read() {
    let text = r#"{ "routers": [ { "protocol": "http", "servers": [ {"port": 4141} ], "dtab": "/svc => \/srv;\n/srv=>/x" } ] }"#;
    assert_eq!(http(text).dtab.len(), 2);
}

/// Every beginning of a document, and the document with each line missing, is loaded or refused with faults to show.
#[test]
fn torn_documents_do_no_harm() {
    let text = include_str!("golden/twelve.yaml");
    let check = |torn: &str| {
        if let Err(faults) = anywhere(torn) {
            assert!(faults.to_string().starts_with("linkerd.yaml:"), "{torn}");
        }
    };
    (0..text.len()).filter_map(|end| text.get(..end)).for_each(check);
    for skipped in 0..text.lines().count() {
        let lines: Vec<&str> =
            text.lines().enumerate().filter(|(at, _)| *at != skipped).map(|(_, line)| line).collect();
        check(&lines.join("\n"));
    }
}

/// dataplane.md §1.7.
#[test]
fn keys_of_older_linkerds_are_ignored_with_a_warning() {
    let text = "routers:\n- protocol: http\n  maxChunkKB: 8\n  maxRequestKB: 5120\n  maxResponseKB: 5120\n  timeoutMs: 100\n  client: {engine: {kind: netty4}}\n\
                \x20 servers: [{port: 4140, engine: {kind: netty3}}]\n";
    let document = anywhere(text).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(
        wrong(&document.warnings),
        [
            "3: key `maxChunkKB` ended with Linkerd 1.6.0 and is ignored: chunks are passed on as they come",
            "4: key `maxRequestKB` ended with Linkerd 1.7.0 and is ignored: bodies are passed on as they come, or held up to a \
             fixed limit: see `streamingEnabled`",
            "5: key `maxResponseKB` ended with Linkerd 1.7.0 and is ignored: bodies are passed on as they come, or held up to a \
             fixed limit: see `streamingEnabled`",
            "6: key `timeoutMs` ended with Linkerd 1.0.0 and is ignored: `totalTimeoutMs` of `service` and \
             `requestAttemptTimeoutMs` of `client` limit requests",
            "7: key `engine` ended with Linkerd 1.3.0 and is ignored: there is one engine",
            "8: key `engine` ended with Linkerd 1.3.0 and is ignored: there is one engine",
        ]
    );
}

/// A key of which only the default is built may be written with its default, whatever its spelling.
#[test]
fn defaults_may_be_written() {
    let check = |key: &str, value: &str, expected: &[&str]| {
        let client = router(&format!("  client: {{{key}: {value}}}\n"));
        let text = client;
        let found: Vec<String> = match anywhere(&text) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(|fault| fault.message.clone()).collect(),
        };
        assert_eq!(found, expected, "{text}");
    };
    let other = |key: &str, default: &str| {
        format!(
            "key `{key}` with another value than `{default}` is known to Linkerd but not built yet in Wayleave"
        )
    };
    check("forwardClientCert", "false", &[]);
    check("forwardClientCert", "Off", &[]);
    check("forwardClientCert", "~", &[]);
    check("forwardClientCert", "true", &[&other("forwardClientCert", "false")]);
    check("forwardClientCert", "maybe", &["`maybe` does not fit key `forwardClientCert`"]);
    check("failFst", "true", &["unknown key `failFst`"]);
    check("forwardClientCert", "no", &[]);
}

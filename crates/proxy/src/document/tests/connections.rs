//! Sockets, sessions, pools and limits: what the keys mean, and which values they refuse.

use super::super::{HttpRouter, HttpServer, Router};
use super::{anywhere, router, wrong};
use crate::translate;
use balance::Nanos;
use router::{ConnectionSettings, PoolSettings, ServerSettings, SessionSettings, SocketSettings};

fn http(text: &str) -> HttpRouter {
    let document = anywhere(text).unwrap_or_else(|faults| panic!("{text}\n{faults}"));
    let Some(Router::Http(router)) = document.routers.into_iter().next() else { panic!("no router") };
    router
}

fn with_server(keys: &str) -> String {
    format!("routers:\n- protocol: http\n  servers: [{{port: 80, {keys}}}]\n")
}

fn server(keys: &str) -> ServerSettings {
    let router = http(&with_server(keys));
    translate::router(&router, 0, &[]).servers.remove(0)
}

fn client(keys: &str) -> ConnectionSettings {
    let router = http(&router(&format!("  client: {keys}\n")));
    translate::router(&router, 0, &[]).client(&"/#/io.l5d.fs/web".parse().expect("a path")).connection
}

fn ms(ms: u64) -> Option<Nanos> {
    Some(Nanos::from_millis(ms))
}

const EVERY_OPTION: &str = "{noDelay: false, reuseAddr: false, reusePort: true, readTimeoutMs: 5, writeTimeoutMs: 6, \
                            keepAlive: true, backlog: 7}";

fn every_option() -> SocketSettings {
    SocketSettings {
        no_delay: false,
        reuse_addr: false,
        reuse_port: true,
        read_timeout: ms(5),
        write_timeout: ms(6),
        keep_alive: Some(true),
        backlog: Some(7),
    }
}

/// dataplane.md §3.3, for servers, clients and the admin server alike: one key keeps the other defaults.
#[test]
fn socket_options_mean_the_same_everywhere() {
    let check = |options: &str, want: SocketSettings| {
        let text = format!(
            "admin: {{socketOptions: {options}}}\nrouters:\n- protocol: http\n  client: {{socketOptions: {options}}}\n\
             \x20 servers: [{{socketOptions: {options}}}]\n"
        );
        let document = anywhere(&text).unwrap_or_else(|faults| panic!("{text}\n{faults}"));
        let Router::Http(router) = &document.routers[0];
        let settings = translate::router(router, 0, &[]);
        let client = settings.client(&"/#/x".parse().expect("a path")).connection.socket;
        let admin = translate::socket(&document.admin.socket_options);
        assert_eq!([admin, settings.servers[0].socket, client], [want; 3], "{options}");
    };
    let default = SocketSettings::default();
    check("{}", default);
    check(EVERY_OPTION, every_option());
    check("{keepAlive: off}", SocketSettings { keep_alive: Some(false), ..default });
    check("{backlog: 1}", SocketSettings { backlog: Some(1), ..default });
    check("{readTimeoutMs: 0, writeTimeoutMs: 0}", default);
}

#[test]
fn the_admin_servers_time_outs_are_its_limits() {
    let limits = translate::admin_limits(&every_option());
    let millis = |n| std::time::Duration::from_millis(n);
    assert_eq!((limits.head, limits.body, limits.write), (millis(5), millis(5), Some(millis(6))));
    let (limits, default) = (translate::admin_limits(&SocketSettings::default()), admin::Limits::default());
    assert_eq!((limits.head, limits.body, limits.write), (default.head, default.body, default.write));
}

#[test]
fn every_key_of_a_servers_limits_is_read() {
    let given =
        server("maxConcurrentRequests: 3, timeoutMs: 4, serverSession: {idleTimeMs: 5, lifeTimeMs: 6}");
    assert_eq!((given.max_concurrent, given.timeout), (Some(3), ms(4)));
    assert_eq!(given.session, SessionSettings { idle: ms(5), life: ms(6) });
    let default = server("timeoutMs: -1");
    assert_eq!((default.max_concurrent, default.timeout), (None, None));
    assert_eq!((default.session, default.socket), (SessionSettings::default(), SocketSettings::default()));
    assert_eq!(server("label: x").label, "127.0.0.1/80", "the label has no effect");
}

/// dataplane.md §6.2; whole objects are replaced by later scopes (§6.1).
#[test]
fn every_key_of_a_clients_connections_is_read() {
    let default = ConnectionSettings::default();
    assert!(!default.is_bounded());
    assert_eq!(client("{}"), default);
    assert_eq!(client("{hostConnectionPool: {}, clientSession: {}, socketOptions: {}}"), default);
    let given = client(
        "{hostConnectionPool: {minSize: 1, maxSize: 2, idleTimeMs: 3, maxWaiters: 4}, clientSession: {idleTimeMs: 5, \
         lifeTimeMs: 6}}",
    );
    assert_eq!(given.pool, PoolSettings { min: 1, max: 2, max_waiters: 4, idle: ms(3) });
    assert_eq!(given.session, SessionSettings { idle: ms(5), life: ms(6) });
    assert!(given.is_bounded());
    let given = client(
        "{kind: io.l5d.static, configs: [{prefix: /, hostConnectionPool: {maxSize: 2, minSize: 1}}, {prefix: /#/*/web, \
         hostConnectionPool: {maxSize: 3}}, {prefix: /other, clientSession: {idleTimeMs: 1}}]}",
    );
    assert_eq!(given, ConnectionSettings { pool: PoolSettings { max: 3, ..default.pool }, ..default });
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    let check = |text: String, expected: &[&str]| match anywhere(&text) {
        Ok(_) => assert!(expected.is_empty(), "{text}"),
        Err(faults) => assert_eq!(wrong(&faults), expected, "{text}"),
    };
    check(with_server("maxConcurrentRequests: 0"), &["3: 0 is not positive"]);
    check(with_server("maxConcurrentRequests: -1"), &["3: maxConcurrentRequests must be non-negative: -1"]);
    check(with_server("maxConcurrentRequests: ~"), &[]);
    check(with_server("serverSession: {idleTimeMs: 0}"), &["3: 0 is not positive"]);
    check(with_server("serverSession: {lifeTime: 5}"), &["3: unknown key `lifeTime`"]);
    check(with_server("socketOptions: {backlog: -1}"), &["3: backlog must be non-negative: -1"]);
    check(with_server("socketOptions: {foo: 1}"), &["3: unknown key `foo`"]);
    let pool = |keys: &str| router(&format!("  client: {{hostConnectionPool: {keys}}}\n"));
    check(pool("{maxSize: 0}"), &["3: 0 is not positive"]);
    check(pool("{minSize: 5, maxWaiters: 0, idleTimeMs: 0}"), &[]);
    check(pool("{size: 0}"), &["3: unknown key `size`"]);
}

#[test]
fn http_servers_without_keys_have_no_limits() {
    let HttpServer { max_concurrent_requests, timeout_ms, .. } =
        &http(&with_server("ip: 127.0.0.1")).servers[0];
    assert_eq!((max_concurrent_requests, timeout_ms), (&None, &None));
}

//! Where Linkerd's words, or its rules for JSON and null, are what people and programs know.

use super::super::load_in;
use super::{anywhere, router, wrong};

/// dataplane.md §1.4, routing.md §4, §6: keys that have to be there, in the words of Linkerd.
#[test]
fn required_keys() {
    let check = |text: &str, expected: &str| {
        assert_eq!(wrong(&anywhere(text).expect_err(text)), [expected], "{text}");
    };
    check(&router("  identifier: {kind: io.l5d.static}\n"), "3: path is required");
    let transformer = "  interpreter: {kind: default, transformers: [{kind: io.l5d.specificHost}]}\n";
    check(&router(transformer), "3: io.l5d.specificHost: host property is required");
    let rewrite = format!("namers: [{{kind: io.l5d.rewrite, pattern: /a, name: /b}}]\n{}", router(""));
    check(&rewrite, "1: The 'prefix' property is required for the io.l5d.rewrite namer.");
}

/// dataplane.md §1.4: Linkerd starts with them and answers every request with 502.
#[test]
fn success_rates_and_windows() {
    let check = |keys: &str, expected: &[&str]| {
        let text = router(&format!("  client: {{failureAccrual: {{kind: io.l5d.{keys}}}}}\n"));
        let found = anywhere(&text).err().map(|faults| wrong(&faults)).unwrap_or_default();
        assert_eq!(found, expected, "{text}");
    };
    check("successRate, successRate: 0.9, requests: 1", &[]);
    check("successRate, successRate: 1, requests: 1", &[]);
    check("successRate, requests: 1", &[]);
    check("successRate, successRate: 1.1, requests: 1", &["3: requiredSuccessRate must be [0, 1]: 1.1"]);
    check("successRate, successRate: -0.1, requests: 1", &["3: requiredSuccessRate must be [0, 1]: -0.1"]);
    check("successRate, successRate: 0.9, requests: 0", &["3: window must be positive: 0"]);
    check("successRate, successRate: 0.9, requests: -1", &["3: window must be positive: -1"]);
    check("successRate, successRate: 0.9", &["3: window must be positive: 0"]);
    check("successRateWindowed, successRate: 0.9, window: 1", &[]);
    check("successRateWindowed, successRate: 2, window: 1", &["3: requiredSuccessRate must be [0, 1]: 2.0"]);
    check("successRateWindowed, successRate: 0.9, window: -30", &["3: window must be positive: -30"]);
    check("successRateWindowed, successRate: 0.9", &["3: window must be positive: 0"]);
}

/// dataplane.md §1.3: null is like no key at all, also where the key is not built yet.
#[test]
fn nothing_asked_of_what_is_not_built() {
    let server = |key: &str| format!("routers:\n- protocol: http\n  servers: [{{port: 1, {key}}}]\n");
    for text in [
        server("tls: ~"),
        server("tls: null"),
        router("  announcers: ~\n"),
        router("  announcers: []\n"),
        router("  client: {tls: ~, requestAuthorizers: []}\n"),
        format!("admin: {{tls: ~, security: ~, httpIdentifierPort: ~}}\n{}", router("")),
    ] {
        let document = anywhere(&text).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(document.warnings.is_empty(), "{text}{}", document.warnings);
    }
    for text in [server("tls: {}"), router("  announcers: [{kind: io.l5d.serversets}]\n")] {
        assert!(anywhere(&text).is_err(), "{text}");
    }
}

/// routing.md §6: known where the proxy runs, maybe not where its document is checked.
#[test]
fn a_node_that_is_not_known_is_a_warning() {
    let text = |keys: &str| {
        router(&format!(
            "  interpreter: {{kind: default, transformers: [{{kind: io.l5d.k8s.localnode{keys}}}]}}\n"
        ))
    };
    let check = |keys: &str, variable: fn(&str) -> Option<String>, expected: &[&str]| {
        let context = |source| config::Context::new(source).with_variables(variable);
        let document = load_in("linkerd.yaml", text(keys).as_bytes(), context);
        assert_eq!(wrong(&document.unwrap_or_else(|faults| panic!("{faults}")).warnings), expected, "{keys}");
    };
    let ip = "3: POD_IP env variable must be set to the pod's IP";
    check("", |_| None, &[ip]);
    check("", |name| (name == "NODE_NAME").then(|| "a".to_owned()), &[ip]);
    check("", |name| (name == "POD_IP").then(|| "a".to_owned()), &[ip]);
    check("", |name| (name == "POD_IP").then(|| "10.1.2.3".to_owned()), &[]);
    check(", hostNetwork: true", |_| None, &["3: NODE_NAME env variable must be set to the node's name"]);
    check(", hostNetwork: true", |name| (name == "NODE_NAME").then(|| "a".to_owned()), &[]);
}

/// A fault in a block says what a fault on one line does: what is there.
#[test]
fn faults_in_blocks_quote_the_place() {
    let faults = anywhere(&router("  dtab: |\n    /a => /b ;\n    /c => d\n")).expect_err("d is no path");
    assert_eq!(wrong(&faults), [r"5: simple expected but 'd' found at '/a => /b ;\n/c => [d]\n'"]);
    let long = format!("/{}/b => /c;/{} = /d;/e => /f;/g => /h", "a".repeat(50), "b".repeat(50));
    let faults = anywhere(&router(&format!("  dtab: {long}\n"))).expect_err("no arrow");
    let expected = format!("3: '>' expected but ' ' found at '…{} =[ ]/d;/e => /f;/g => /h'", "b".repeat(18));
    assert_eq!(wrong(&faults), [expected]);
}

/// Linkerd starts with them, and no name is ever bound; rows of docs/differences.md.
#[test]
fn values_nobody_means() {
    let check = |text: &str, expected: &str| {
        assert_eq!(wrong(&anywhere(text).expect_err(text)), [expected], "{text}");
    };
    check(&router("  bindingTimeoutMs: -1\n"), "3: bindingTimeoutMs must be non-negative: -1");
    let rewrite = "namers: [{kind: io.l5d.rewrite, prefix: /p, pattern: /a, name: b}]\n".to_owned();
    check(&(rewrite + &router("")), "1: b is no path");
}

/// What begins with `{` is JSON and nothing else.
#[test]
fn json_is_json() {
    let good = r#"{"routers": [{"protocol": "http", "servers": [{"port": 4141}], "label": "\u00e9"}]}"#;
    let document = anywhere(good).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(document.routers[0].label(), "é");
    let check = |from: &str, to: &str, expected: &str| {
        let text = good.replace(from, to);
        let shown = anywhere(&text).expect_err(&text).to_string();
        assert!(shown.starts_with(expected), "{text}\n{shown}");
    };
    check("4141}", "4141,}", "linkerd.yaml:1:61: not valid JSON: trailing comma");
    check("\"http\"", "'http'", "linkerd.yaml:1:27: not valid JSON: expected value");
    check("\"http\"", "http", "linkerd.yaml:1:2");
    check("\"servers\"", "servers", "linkerd.yaml:1:35: not valid JSON: key must be a string");
    check(" \"servers\"", "\n # s\n\"servers\"", "linkerd.yaml:2:2: not valid JSON: key must be a string");
    check("}]}", "}]} # routers", "linkerd.yaml:1:");
    check("\"label\"", "\"servers\"", "linkerd.yaml:1:64: duplicate key `servers`");
    let open = anywhere(&good[..34]).expect_err("it ends too early").to_string();
    assert!(open.starts_with("linkerd.yaml:1:14: not valid JSON: unclosed bracket '{'"), "{open}");
    assert!(
        anywhere("# a comment first, so it is YAML\n{routers: [{protocol: http, servers: [{}],}]}").is_ok()
    );
}

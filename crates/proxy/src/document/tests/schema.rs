//! The schema against documents, judged by an independent validator: the Python package `jsonschema`, run by
//! `python3` or by what `WAYLEAVE_PYTHON` names. Without it these tests say so and check nothing.

use super::super::{load_with, schema};
use super::reference::reference_configurations;
use config::Reason;
use std::process::Command;

const VALIDATE: &str = r#"
import json, sys
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
for document in json.load(open(sys.argv[2])):
    fault = next(validator.iter_errors(document), None)
    print("ok" if fault is None else "no " + fault.message[:200].replace("\n", " "))
"#;

/// What the validator says about each document: `None` is valid. `None` as a whole: there is no validator here.
fn judged(texts: &[String]) -> Option<Vec<Option<String>>> {
    let python = std::env::var_os("WAYLEAVE_PYTHON").unwrap_or_else(|| "python3".into());
    let there = Command::new(&python).args(["-c", "import jsonschema"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {python:?} has no package jsonschema, nothing was checked");
        return None;
    }
    let documents: Vec<_> = texts
        .iter()
        .map(|text| config::Document::parse("x", text.as_bytes()).expect("a document").root.to_json())
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let (schema_file, documents_file) = (folder.path().join("schema"), folder.path().join("documents"));
    std::fs::write(&schema_file, schema()).expect("a file");
    std::fs::write(&documents_file, serde_json::Value::from(documents).to_string()).expect("a file");
    let output = Command::new(&python)
        .args(["-c", VALIDATE])
        .arg(schema_file)
        .arg(documents_file)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let judged: Vec<_> = lines.lines().map(|line| line.strip_prefix("no ").map(str::to_owned)).collect();
    assert_eq!(judged.len(), texts.len());
    Some(judged)
}

#[test]
fn reference_configurations_that_load_are_valid_and_others_are_not() {
    let texts: Vec<String> = reference_configurations().into_iter().map(|(_, text)| text).collect();
    let Some(judged) = judged(&texts) else { return };
    let mut valid = 0;
    for (text, fault) in texts.iter().zip(judged) {
        let loaded = load_with("x", text.as_bytes(), |_| true);
        valid += usize::from(fault.is_none());
        match (loaded, fault) {
            (Ok(_), Some(fault)) => panic!("loads, but the schema says: {fault}\n{text}"),
            // What is not built yet is a key or a kind, and those a schema can tell.
            (Err(faults), None) if faults.iter().any(|fault| fault.reason == Reason::NotBuilt) => {
                panic!("the schema has no objection, but\n{faults}");
            }
            _ => {}
        }
    }
    assert!(texts.is_empty() || valid >= 7, "only {valid} valid of {}", texts.len());
}

/// Documents of one router, and whether they are right; the loader and the validator must agree.
#[test]
fn the_schema_agrees_with_the_loader() {
    let rows = [
        ("", true),
        ("label: 12", true),
        ("label: [a]", false),
        ("bindingTimeoutMs: \"700\"", true),
        ("bindingTimeoutMs: 700.5", true),
        ("bindingTimeoutMs: 4_000", true),
        ("bindingTimeoutMs: ~", true),
        ("bindingTimeoutMs: -1", false),
        ("bindingTimeoutMs: many", false),
        ("bindingTimeoutMs: 2147483648", false),
        ("bindingCache: {paths: 0}", false),
        ("bindingCache: {paths: 1}", true),
        ("originator: yes", true),
        ("originator: Off", true),
        ("originator: \"true\"", false),
        ("originator: 1", false),
        ("dtab: /svc => /x", true),
        ("dtab: ''", true),
        ("dtab: /svc", false),
        ("dtab: [/svc => /x]", false),
        ("dstPrefix: /", true),
        ("dstPrefix: svc", false),
        ("identifier: []", false),
        ("identifier: {kind: io.l5d.header.token}", true),
        ("identifier: {header: x}", false),
        ("identifier: {kind: io.l5d.nothing}", false),
        ("interpreter: {}", true),
        ("interpreter: {kind: defualt}", false),
        ("streamingEnabled: true", true),
        ("streamingEnabled: false", true),
        ("streamingEnabled: 1", false),
        ("compressionLevel: -1", true),
        ("compressionLevel: 10", false),
        ("tunnels: yes", true),
        ("maxChunkKB: 8", true),
        ("h2AccessLog: x", false),
        ("service: {totalTimeoutMs: -1}", true),
        ("service: {totalTimeoutMs: x}", false),
        ("service: {kind: io.l5d.odd, totalTimeoutMs: 1}", true),
        ("service: {kind: io.l5d.static}", false),
        ("service: {kind: io.l5d.static, totalTimeoutMs: 1, configs: []}", false),
        ("service: {kind: io.l5d.static, configs: [{prefix: /, totalTimeoutMs: 1}]}", true),
        ("service: {kind: io.l5d.static, configs: [{prefix: /, totalTimeoutMs: x}]}", false),
        ("service: {prefix: /}", false),
        ("service: {retries: {budget: {ttlSecs: 61}}}", false),
        ("service: {retries: {budget: {ttlSecs: 60, percentCanRetry: \"0.5\"}}}", true),
        ("service: {retries: {budget: {percentCanRetry: -0.1}}}", false),
        ("service: {retries: {backoff: {kind: jittered, minMs: 1}}}", false),
        ("service: {retries: {backoff: {kind: jittered, minMs: 1, maxMs: 2}}}", true),
        ("client: {failFast: yes}", true),
        ("client: {forwardClientCert: no}", true),
        ("client: {forwardClientCert: yes}", false),
        ("client: {tls: {commonName: x}}", false),
        ("client: {loadBalancer: {kind: p2c, decayTimeMs: 5}}", false),
        ("client: {loadBalancer: {maxEffort: 3}}", true),
        ("client: {loadBalancer: {kind: aperture, lowLoad: 3.0, highLoad: 1.0}}", true),
        ("client: {loadBalancer: {kind: heap, maxEffort: 3}}", false),
        ("client: {failureAccrual: {kind: io.l5d.successRate, successRate: 2.0, requests: 1}}", false),
        ("client: {failureAccrual: {kind: io.l5d.successRate, successRate: 1.0, requests: 1}}", true),
        ("client: {failureAccrual: {kind: io.l5d.successRate, requests: 0}}", false),
        ("client: {tls: ~}", true),
        ("announcers: []", true),
        ("client: {failureAccrual: {kind: io.l5d.successRate, window: 20}}", false),
        ("client: {failureAccrual: {kind: none}}", true),
        ("servers: [{ip: 127.1}]", false),
        ("servers: [{ip: '::1'}]", true),
        ("servers: [{ip: 256.0.0.1}]", false),
        ("servers: [{port: '80'}]", false),
        ("servers: [{port: 65536}]", false),
        ("servers: [{port: 0}]", true),
        ("servers: [~]", false),
        ("servers: []", false),
        ("servers: {port: 1}", false),
        ("protocol: h3", false),
    ];
    let text = |more: &str| {
        let key = more.split(':').next().unwrap_or_default();
        let mut lines = vec!["protocol: http", "servers: [{port: 4140}]"];
        lines.retain(|line| key.is_empty() || !line.starts_with(&format!("{key}:")));
        format!("routers:\n- {}\n  {more}\n", lines.join("\n  "))
    };
    let texts: Vec<String> = rows.iter().map(|(more, _)| text(more)).collect();
    for (text, (_, right)) in texts.iter().zip(rows) {
        let loaded = load_with("x", text.as_bytes(), |_| true);
        assert_eq!(
            loaded.is_ok(),
            right,
            "{text}{}",
            loaded.map_or_else(|faults| faults.to_string(), |_| String::new())
        );
    }
    let Some(judged) = judged(&texts) else { return };
    for (text, (fault, (_, right))) in texts.iter().zip(judged.into_iter().zip(rows)) {
        assert_eq!(fault.is_none(), right, "{text}{fault:?}");
    }
}

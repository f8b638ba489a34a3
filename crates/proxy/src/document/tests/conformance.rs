//! What Linkerd 1.7.5 was seen to start with and to refuse (`conformance/cases/config-*linkerd-open.json`).

use super::super::load_with;
use config::{Node, Reason};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance/cases");

/// The files, and how many cases each has at least.
const FILES: [(&str, usize); 2] =
    [("config-linkerd-open.json", 90), ("config-examples-linkerd-open.json", 19)];

/// Cases decided differently on purpose; rows of docs/differences.md.
const DIFFERENCES: [(&str, &str); 7] = [
    ("server-max-quoted", "a quoted number is a number here as everywhere else (docs/differences.md)"),
    ("maxChunkKB", "keys of older Linkerds are ignored with a warning (dataplane.md §1.7)"),
    ("yaml-alias", "aliases work (dataplane.md §1.4)"),
    ("service-budget-ttl-61", "refused at start instead of 502 later (architecture.md §8)"),
    ("service-budget-percent-1001", "refused at start instead of 502 later (architecture.md §8)"),
    ("client-accrual-rate-2", "refused at start instead of 502 later (dataplane.md §1.4)"),
    ("service-backoff-jittered-min-only", "refused at start instead of 502 later (architecture.md §8)"),
];

fn with_ports(text: &str) -> String {
    let names =
        [("ADMIN", "9990"), ("ROUTER2", "4141"), ("ROUTER", "4140"), ("CLOSED", "1"), ("DIR", "/tmp/case")];
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

/// How a case differs from what was recorded, if it does.
fn difference(case: &Node) -> Option<String> {
    let text = |key: &str| case.get(key).and_then(Node::text).unwrap_or("");
    let starts = case.get("want").and_then(|want| want.get("starts")).and_then(Node::text) == Some("true");
    let loaded = load_with("config", with_ports(text("config")).as_bytes(), |path| {
        path.ends_with("disco") || path.ends_with("io.l5d.fs")
    });
    match (starts, loaded) {
        (true, Ok(_)) => None,
        (true, Err(faults)) if faults.iter().all(|fault| fault.reason == Reason::NotBuilt) => None,
        (true, Err(faults)) => Some(format!("is refused\n{faults}")),
        (false, Ok(_)) => Some("is accepted".to_owned()),
        (false, Err(faults)) => {
            let shown = faults.to_string();
            let mut words =
                case.get("mentions").and_then(Node::list).unwrap_or_default().iter().filter_map(Node::text);
            words.find(|word| !shown.contains(word)).map(|word| format!("does not mention {word}\n{shown}"))
        }
    }
}

#[test]
fn recorded_cases() {
    let mut wrong = Vec::new();
    for (file, least) in FILES {
        let path = format!("{CASES}/{file}");
        let Ok(text) = std::fs::read(&path) else {
            eprintln!("SKIPPED: {path} is absent, nothing was checked");
            continue;
        };
        // Our own reader reads the file: it is JSON of some size written by somebody else.
        let file = config::Document::parse(&path, &text).expect("a JSON file");
        let cases = file.root.get("cases").and_then(Node::list).expect("a list of cases");
        assert!(cases.len() >= least, "only {} cases", cases.len());
        wrong.extend(cases.iter().filter_map(unwanted));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is wrong with a case: it differs and should not, or the other way round.
fn unwanted(case: &Node) -> Option<String> {
    let id = case.get("id").and_then(Node::text).unwrap_or("?");
    let wanted = DIFFERENCES.iter().any(|(known, _)| *known == id);
    match difference(case) {
        Some(difference) if !wanted => Some(format!("{id} {difference}")),
        None if wanted => Some(format!("{id} is listed as different and is not")),
        _ => None,
    }
}

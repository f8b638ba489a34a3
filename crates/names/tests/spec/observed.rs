//! What Linkerd 1.7.5 was seen to do with 350 dtabs (conformance/cases/names-open.json), as far as it is a
//! matter of names alone: the texts of faults, the show forms, and which entries match in which order.

use std::path::Path as File;

use names::{Dtab, Path};
use serde_json::Value;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance/cases/names-open.json");

#[test]
fn recorded_delegations() {
    if !File::new(CASES).exists() {
        println!("skipped: {CASES} is absent");
        return;
    }
    let document: Value = serde_json::from_slice(&std::fs::read(CASES).unwrap()).unwrap();
    let cases = document["cases"].as_array().unwrap();
    let (mut faults, mut answers) = (0, 0);
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap();
        let body = case["want"]["body"].as_str().unwrap();
        match fault(text("dtab"), text("path")) {
            Some(fault) => {
                assert_eq!(fault, body, "{}", case["id"]);
                faults += 1;
            }
            None => answers += usize::from(check_answer(case, body)),
        }
    }
    assert!(faults >= 60 && answers >= 200, "only {faults} faults and {answers} answers were compared");
}

fn fault(dtab: &str, path: &str) -> Option<String> {
    let dtab = dtab.parse::<Dtab>().err().map(|fault| format!("Invalid dtab: {fault}"));
    dtab.or_else(|| path.parse::<Path>().err().map(|fault| format!("Invalid path: {fault}")))
}

/// Whether there was an answer to compare; a loop gives none.
fn check_answer(case: &Value, body: &str) -> bool {
    let Ok(answer) = serde_json::from_str::<Value>(body) else {
        assert!(
            body.is_empty() && case["want"]["status"] == 500,
            "{}: parsed, but must not: {body}",
            case["id"]
        );
        return false;
    };
    let dtab: Dtab = case["dtab"].as_str().unwrap().parse().unwrap();
    let path: Path = case["path"].as_str().unwrap().parse().unwrap();
    let shown: Vec<_> = dtab.entries().iter().map(|d| (d.prefix.to_string(), d.dst.to_string())).collect();
    let mut all = Vec::new();
    dentries(&answer, true, &mut all);
    for dentry in &all {
        assert!(shown.contains(dentry), "{}: {dentry:?} is none of {shown:?}", case["id"]);
    }
    // Utility namers answer with the name they made of it, and what that leads to.
    if path.first() != Some(b"$") {
        assert_eq!(answer["path"], path.to_string(), "{}", case["id"]);
        check_first_step(case, &answer, &matched(&dtab, &path));
    }
    true
}

/// The entries that match, as texts, last first.
fn matched(dtab: &Dtab, path: &Path) -> Vec<(String, String)> {
    let mut matched: Vec<_> =
        dtab.matches(path).map(|(_, d)| (d.prefix.to_string(), d.dst.to_string())).collect();
    matched.dedup();
    matched
}

fn check_first_step(case: &Value, answer: &Value, matched: &[(String, String)]) {
    let mut first = Vec::new();
    dentries(answer, false, &mut first);
    first.dedup();
    // A step that ends at a leaf, or in a word, names no entry.
    if !first.is_empty() {
        assert_eq!(first, matched, "{}", case["id"]);
    }
}

/// The entries named in an answer: by all nodes, or only by what the first step led to.
fn dentries(node: &Value, deep: bool, found: &mut Vec<(String, String)>) {
    let mut children: Vec<&Value> = node["alt"].as_array().into_iter().flatten().collect();
    children.extend(node["union"].as_array().into_iter().flatten().map(|branch| &branch["tree"]));
    children.extend(node.get("delegate"));
    for child in children {
        if let Some(dentry) = child.get("dentry") {
            let text = |key: &str| dentry[key].as_str().unwrap().to_owned();
            found.push((text("prefix"), text("dst")));
        }
        if deep {
            dentries(child, deep, found);
        }
    }
}

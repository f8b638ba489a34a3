//! `conformance/cases/names-open.json`: what Linkerd 1.7.5 answered.

use super::*;
use serde_json::Value;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance/cases/names-open.json");

#[test]
fn recorded_cases() {
    let Ok(file) = std::fs::read(CASES) else {
        eprintln!("SKIPPED: {CASES} is absent, nothing was checked");
        return;
    };
    let file: Value = serde_json::from_slice(&file).unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for case in file["cases"].as_array().unwrap() {
        if case["want"]["status"] != 200 {
            continue;
        }
        let text = |key: &str| case[key].as_str().unwrap();
        let want: Value = serde_json::from_str(case["want"]["body"].as_str().unwrap()).unwrap();
        let got = run(text("dtab"), text("path")).to_json();
        let got: Value = serde_json::from_str(&got).unwrap();
        compared += 1;
        if got != want {
            wrong.push(format!("{} {} {}\nwant {want}\ngot  {got}", text("id"), text("dtab"), text("path")));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(compared > 150, "only {compared} cases");
}

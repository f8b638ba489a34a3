//! What the sample services answer (sample-apps.md §1.2): words, each with the address of the pod that says it.

use std::collections::BTreeSet;

/// The addresses in `Hello (<ip>) world (<ip>)!!`, if the answer consists of just these words and so many exclamation marks.
pub(crate) fn addresses(answer: &str, words: &[&str], marks: usize) -> Option<Vec<String>> {
    let mut rest = answer.trim_end_matches('\n').strip_suffix(&"!".repeat(marks))?;
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(' ')?;
        }
        rest = rest.strip_prefix(word)?.strip_prefix(" (")?;
        let (address, behind) = rest.split_once(')')?;
        address.parse::<std::net::IpAddr>().ok()?;
        found.push(address.to_owned());
        rest = behind;
    }
    rest.is_empty().then_some(found)
}

/// The same, where it has to be so.
pub(crate) fn expect(answer: &str, words: &[&str], marks: usize) -> Vec<String> {
    addresses(answer, words, marks)
        .unwrap_or_else(|| panic!("expected {words:?} and {marks} marks: {answer}"))
}

/// `Hello (…) world (…)!!`.
pub(crate) fn hello_world(answer: &str) -> Vec<String> {
    expect(answer, &["Hello", "world"], 2)
}

/// `Hello (…) earth (…)!!`.
pub(crate) fn hello_earth(answer: &str) -> Vec<String> {
    expect(answer, &["Hello", "earth"], 2)
}

/// Whether it is the first of the two.
pub(crate) fn is_hello_world(answer: &str) -> bool {
    addresses(answer, &["Hello", "world"], 2).is_some()
}

/// Whether it is the second.
pub(crate) fn is_hello_earth(answer: &str) -> bool {
    addresses(answer, &["Hello", "earth"], 2).is_some()
}

/// Whether it is `{"api_result":"api (…) Hello (…) world (…)!!"}`, as one answer in JSON.
pub(crate) fn is_api(answer: &str) -> bool {
    let value: serde_json::Value = serde_json::from_str(answer).unwrap_or_default();
    addresses(value["api_result"].as_str().unwrap_or_default(), &["api", "Hello", "world"], 2).is_some()
}

/// The same, where it has to be so.
pub(crate) fn api(answer: &str) {
    assert!(is_api(answer), "{answer}");
}

/// A page for a browser.
pub(crate) fn page(answer: &str) {
    assert!(answer.contains("<html") || answer.contains("<!doctype html"), "{answer}");
}

/// How many different ones there are.
pub(crate) fn different<'a>(of: impl IntoIterator<Item = &'a String>) -> usize {
    of.into_iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn answers_are_taken_apart() {
    let check = |answer: &str, words: &[&str], marks: usize, expected: Option<&[&str]>| {
        let got = addresses(answer, words, marks);
        let expected = expected.map(|of| of.iter().map(|ip| (*ip).to_owned()).collect());
        assert_eq!(got, expected, "{answer}");
    };
    check("Hello (10.0.0.1) world (10.0.0.2)!!", &["Hello", "world"], 2, Some(&["10.0.0.1", "10.0.0.2"]));
    check("world (10.0.0.2)!", &["world"], 1, Some(&["10.0.0.2"]));
    check("Hello (10.0.0.1) earth (10.0.0.2)!!", &["Hello", "world"], 2, None);
    check("Hello (10.0.0.1) world (10.0.0.2)!", &["Hello", "world"], 2, None);
    check("Hello (x) world (10.0.0.2)!!", &["Hello", "world"], 2, None);
    check("", &["world"], 1, None);
}

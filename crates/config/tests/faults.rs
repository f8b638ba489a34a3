//! How faults look: file, line, column, the source line, carets, the hint.

use config::{Fault, Faults, Source, Span};
use proptest::prelude::*;

/// Shows one fault over a span of a text.
fn show(text: &str, span: std::ops::Range<usize>) -> String {
    let source = Source::new("t.yaml", text.to_owned());
    Faults::new(source, vec![Fault::new(Span::new(span), "wrong").expected("right")]).to_string()
}

#[test]
fn a_fault_shows_its_line() {
    let check = |text: &str, span: std::ops::Range<usize>, expected: &str| {
        assert_eq!(show(text, span), format!("{expected}\n  = expected right"), "{text:?}");
    };
    check("a: 1\nbcd: xyz\n", 10..13, "t.yaml:2:6: wrong\n  |\n2 | bcd: xyz\n  |      ^^^");
    check("a: 1", 4..4, "t.yaml:1:5: wrong\n  |\n1 | a: 1\n  |     ^");
    check("", 0..0, "t.yaml:1:1: wrong\n  |\n1 | \n  | ^");
    check("a: [1,\n 2]\n", 3..9, "t.yaml:1:4: wrong\n  |\n1 | a: [1,\n  |    ^^^");
    check("ä: öü\r\nb: 1", 4..8, "t.yaml:1:4: wrong\n  |\n1 | ä: öü\n  |    ^^");
    check("\ta:\tx", 4..5, "t.yaml:1:5: wrong\n  |\n1 | \ta:\tx\n  | \t  \t^");
    check("a: \u{1b}[31mx", 3..4, "t.yaml:1:4: wrong\n  |\n1 | a: \u{FFFD}[31mx\n  |    ^");
    let many = "\n".repeat(99) + "b: x";
    check(&many, 102..103, "t.yaml:100:4: wrong\n    |\n100 | b: x\n    |    ^");
}

#[test]
fn long_lines_are_cut_around_the_fault() {
    let text = format!("a: {}!{}", "x".repeat(300), "y".repeat(300));
    let shown = show(&text, 303..304);
    let line = shown.lines().nth(2).expect("the source line");
    let carets = shown.lines().nth(3).expect("the carets");
    assert!(line.chars().count() < 140, "{line}");
    assert_eq!(line.chars().position(|c| c == '!'), carets.chars().position(|c| c == '^'), "{shown}");
}

#[test]
fn faults_are_sorted_and_without_doubles() {
    let source = Source::new("t.yaml", "a: 1\nb: 2\n".to_owned());
    let fault = |at: usize, message: &str| Fault::new(Span::new(at..at + 1), message);
    let list = vec![fault(8, "late"), fault(0, "early"), fault(8, "late"), fault(8, "also").warning()];
    let (errors, warnings) = Faults::new(source, list).split();
    let messages = |faults: &Faults| faults.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>();
    assert_eq!(messages(&errors), ["early", "late"]);
    assert_eq!(messages(&warnings), ["also"]);
    assert!(warnings.to_string().starts_with("t.yaml:2:4: warning: also\n"), "{warnings}");
    assert_eq!(errors.to_string().matches("\n\n").count(), 1);
}

#[test]
fn what_a_message_quotes_cannot_break_its_line() {
    let fault = Fault::new(Span::new(0..1), "label a\nb\u{1b}[31m twice").expected("c\rd");
    assert_eq!(fault.message, "label a\\nb\\u{1b}[31m twice");
    assert_eq!(fault.hint.as_deref(), Some("expected c\\rd"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever the text, reading it ends, and every fault can be shown.
    #[test]
    fn any_text_is_read_or_refused(text in r#"([ \t\n:{}\[\],&*#|>'"!%@`a-c0-1<~ä-]|- |: |<<: |&a |\*a ){0,60}"#) {
        match config::Document::parse("t.yaml", text.as_bytes()) {
            Ok(document) => {
                let shown = Faults::new(document.source, document.faults).to_string();
                prop_assert!(shown.is_empty() || shown.starts_with("t.yaml:"));
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                prop_assert!(faults.to_string().starts_with("t.yaml:"));
            }
        }
    }

    /// Any span of any text can be shown.
    #[test]
    fn any_span_is_shown(text in "[a-zä😀\t\r\n]{0,40}", start in 0_usize..60, length in 0_usize..60) {
        prop_assert!(show(&text, start..start + length).starts_with("t.yaml:"));
    }
}

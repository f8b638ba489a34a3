//! Faults as people see them, kept as files: `golden/<name>.yaml` gives `golden/<name>.txt`.

use super::super::load_with;
use super::anywhere;

/// All faults of a document, as text, and how many there are.
fn shown(text: &str) -> (String, usize) {
    match load_with("linkerd.yaml", text.as_bytes(), |_| false) {
        Ok(document) => (document.warnings.to_string() + "\n", 0),
        Err(faults) => (faults.to_string() + "\n", faults.len()),
    }
}

macro_rules! golden {
    ($test:ident, $file:literal, $faults:literal) => {
        #[test]
        fn $test() {
            let (shown, faults) = shown(include_str!(concat!("golden/", $file, ".yaml")));
            let expected = include_str!(concat!("golden/", $file, ".txt"));
            assert_eq!(shown, expected, "\n--- what {} gives now:\n{shown}", $file);
            assert_eq!(faults, $faults);
        }
    };
}

golden!(twelve_faults_are_twelve, "twelve", 12);
golden!(not_built_yet, "not-built", 8);
golden!(a_syntax_error, "syntax", 1);
golden!(keys_in_the_wrong_place, "misplaced", 4);
golden!(a_kubernetes_manifest, "manifest", 1);
golden!(a_tab, "tab", 1);
golden!(a_colon_in_a_text, "colon", 1);
golden!(an_open_quote, "quote", 1);
golden!(a_text_not_indented, "block", 1);
golden!(faults_inside_dtabs, "dtabs", 4);
golden!(warnings_of_a_document_that_works, "warnings", 0);

#[test]
fn a_document_with_warnings_only_is_loaded() {
    let document = anywhere(include_str!("golden/warnings.yaml")).expect("warnings do not refuse");
    assert_eq!(document.warnings.len(), 3);
}

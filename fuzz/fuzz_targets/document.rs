//! Configurations: no text panics, faults can be shown and point into the text, and what is refused says why.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy::document::load_with;

fuzz_target!(|text: &[u8]| {
    let faults = match load_with("linkerd.yaml", text, |_| true) {
        Ok(document) => {
            assert!(!document.routers.is_empty());
            document.tree.to_json();
            document.warnings
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            faults
        }
    };
    let length = faults.source().text().len();
    for fault in faults.iter().filter(|fault| !fault.span.is_nowhere()) {
        assert!(fault.span.start <= fault.span.end && fault.span.end as usize <= length);
        assert!(!fault.message.contains('\n'));
    }
    assert!(faults.is_empty() || faults.to_string().starts_with("linkerd.yaml:"));
});

//! Name trees: no text panics, what parses reads back, simplifying is idempotent and changes no meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use names::NameTree;

fuzz_target!(|text: &[u8]| {
    let tree = match NameTree::parse(text) {
        Ok(tree) => tree,
        Err(fault) => {
            assert!(fault.offset <= text.len());
            return;
        }
    };
    assert_eq!(NameTree::parse(tree.to_string().as_bytes()).as_ref(), Ok(&tree));
    assert_eq!(tree.map(Clone::clone), tree);
    let simple = tree.clone().simplified();
    assert_eq!(tree.eval(), simple.eval());
    assert_eq!(simple.clone().simplified(), simple);
});

//! Paths: no text panics, what parses reads back from its show form, faults point into the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use names::{Path, PathBuilder};

fuzz_target!(|text: &[u8]| {
    let path = match Path::parse(text) {
        Ok(path) => path,
        Err(fault) => {
            assert!(fault.offset <= text.len());
            assert!(fault.to_string().contains(" expected but "));
            return;
        }
    };
    assert_eq!(Path::parse(path.to_string().as_bytes()).as_ref(), Ok(&path));
    assert_eq!(Path::from_elems(&path), path);
    let half = path.len() / 2;
    assert_eq!(path.take(half).concat(&path.skip(half)), path);
    let mut builder = PathBuilder::new();
    path.elems().for_each(|elem| builder.push(elem));
    assert_eq!(builder.as_bytes(), path.as_bytes());
});

//! Dtabs: no text panics, what parses reads back, spans cut out their entries, and looking up finds
//! what trying every entry finds. A second line is the name to look up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use names::{Dentry, Dtab, NameTree, Path};

fuzz_target!(|input: &[u8]| {
    let line = input.iter().rposition(|&byte| byte == b'\n');
    let (text, name) = input.split_at(line.unwrap_or(input.len()));
    let Ok(dtab) = Dtab::parse(text) else { return };
    assert_eq!(Dtab::parse(dtab.to_string().as_bytes()).as_ref(), Ok(&dtab));
    for dentry in dtab.entries() {
        assert_eq!(Dentry::parse(&text[dentry.span.clone()]).as_ref(), Ok(dentry));
    }
    let Ok(path) = Path::parse(name) else { return };
    // Doubled until it is large enough for the index.
    let indexed = (0..4).fold(dtab.clone(), |dtab, _| dtab.concat(&dtab));
    for dtab in [dtab, indexed] {
        assert_eq!(dtab.lookup(&path), naive(&dtab, &path));
    }
});

fn naive(dtab: &Dtab, path: &Path) -> NameTree<Path> {
    let mut found: Vec<_> = dtab.entries().iter().rev().filter_map(|dentry| dentry.rewrite(path)).collect();
    match found.len() {
        0 | 1 => found.pop().unwrap_or(NameTree::Neg),
        _ => NameTree::Alt(found),
    }
}

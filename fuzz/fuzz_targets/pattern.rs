//! Patterns: no pattern, name or template panics, and captures are pieces of the name's elements.
//! Three lines: pattern, name, template.
#![no_main]

use libfuzzer_sys::fuzz_target;
use names::{Path, PathPattern, show_elem};

fuzz_target!(|input: &str| {
    let mut lines = input.splitn(3, '\n');
    let pattern = PathPattern::parse(lines.next().unwrap_or_default());
    let Ok(path) = lines.next().unwrap_or_default().parse::<Path>() else { return };
    let Some(captures) = pattern.matches(&path) else { return };
    assert!(path.len() >= pattern.len());
    for (_, value) in captures.iter() {
        assert!(path.elems().any(|elem| show_elem(elem).to_string().contains(value)));
    }
    captures.substitute(lines.next().unwrap_or_default());
});

//! What the sources of one document leave to those of the next.

use super::*;
use crate::document;

const TEXT: &str = "\
namers:
- {kind: io.l5d.fs, rootDir: /tmp}
- {kind: io.l5d.fs, prefix: /other, rootDir: /tmp}
routers:
- protocol: http
  label: one
  interpreter: {kind: io.l5d.fs, dtabFile: /nowhere/one}
  servers: [{port: 1}]
- protocol: http
  label: two
  servers: [{port: 2}]
";

/// Which of namers 0 and 1, of the dtab of router 0 and of the namers of router 1 are the same objects when `from` is
/// replaced by `to`.
#[track_caller]
fn check(from: &str, to: &str, expected: [bool; 4]) {
    assert!(TEXT.contains(from), "{from}");
    let there = |text: &str| document::load_with("l.yaml", text.as_bytes(), |_| true);
    let load = |text: &str| there(text).unwrap_or_else(|e| panic!("{e}"));
    let (before, after) = (load(TEXT), load(&TEXT.replace(from, to)));
    let old = Sources::new(&before).unwrap();
    let new = old.succeed(&before, &after).unwrap();
    let namer = |at: usize| {
        let kept = |of: &Built| new.built.get(at).is_some_and(|new| Arc::ptr_eq(&of.namer, &new.namer));
        old.built.iter().any(kept)
    };
    let dtab = |of: &Sources| of.routers[0].dtab.as_ref().map(Arc::as_ptr);
    let namers = |of: &Sources| Arc::as_ptr(of.routers[1].interpreter.namers());
    let same = [namer(0), namer(1), dtab(&old) == dtab(&new), namers(&old) == namers(&new)];
    assert_eq!(same, expected, "{from} -> {to}");
    assert_eq!(new.told.len(), new.built.len());
}

#[tokio::test]
async fn what_is_written_the_same_is_the_same() {
    check("label: two", "label: two", [true, true, true, true]);
    check("label: two", "label: three", [true, true, true, true]);
    check("prefix: /other", "prefix: /another", [true, false, true, false]);
    check("- {kind: io.l5d.fs, rootDir: /tmp}\n", "", [true, false, true, false]);
    check("/nowhere/one", "/nowhere/two", [true, true, false, true]);
    let (root, another) = ("prefix: /other, rootDir: /tmp}", "prefix: /other, rootDir: /}");
    check(root, another, [true, false, true, false]);
}

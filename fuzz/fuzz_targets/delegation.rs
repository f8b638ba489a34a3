//! Questions to `/delegator.json`, and their answers: no query and no body panics; what delegation shows is what binding
//! does, as JSON that reads back. The input is a body where it begins with `{`, else a query.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use names::{Dtab, NameTree, Path};
use naming::{
    Addr, BoundName, Change, Interpreter, Named, Namer, Namers, NoHosts, Reader, State, Stopped,
    Transformer, Untracked,
};
use proxy::Asked;
use serde::Deserialize;

/// Answers by the first element: `never`, `error`, a leaf for all others.
struct Stage;

impl Namer for Stage {
    fn bind(&self, path: &Path, _: &mut dyn Reader) -> State<NameTree<Named>> {
        let bound = BoundName { id: prefix().concat(&path.take(1)), residual: path.skip(1) };
        match path.first() {
            None => State::Ok(NameTree::Neg),
            Some(b"never") => State::Pending,
            Some(b"error") => State::failed("error"),
            Some(b"path") => State::Ok(NameTree::Leaf(Named::Path(path.skip(1)))),
            Some(_) => State::Ok(NameTree::Leaf(Named::Bound(bound))),
        }
    }

    fn addresses(&self, _: &Path, _: &mut dyn Reader) -> Addr {
        Addr::bound(Vec::new())
    }
}

fn prefix() -> Path {
    Path::from_elems([b"#".as_slice(), b"s"])
}

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let asked = match input.first() {
        Some(b'{') => Asked::of_body(input),
        _ => Some(Asked::of_query(&text)),
    };
    let Some(Ok((dtab, path))) = asked.map(|asked| asked.parsed()) else { return };
    let namers = Namers::new(Arc::new(NoHosts)).with(&Path::from_elems([b"s"]), Arc::new(Stage));
    let port = Transformer::new(&Path::from_elems([b"port"]), Change::Port(1));
    let interpreter = Interpreter::from(Arc::new(namers)).with_transformers(vec![port]);
    let shown = interpreter.delegate(&Dtab::empty(), &dtab, &path, &mut Untracked);
    let bound = interpreter.bind(&Dtab::empty(), &dtab, &path, &mut Untracked);
    match shown.stopped() {
        // It looks at more than binding does, so it gives up earlier.
        Some((Stopped::Size, _)) => {}
        _ => assert_eq!(shown.bound(), bound, "{path} in {dtab}"),
    }
    let json = shown.to_json();
    let mut reader = serde_json::Deserializer::from_str(&json);
    reader.disable_recursion_limit();
    let read = serde_json::Value::deserialize(&mut reader);
    assert!(read.is_ok() && reader.end().is_ok(), "{json}");
});

//! From text to tree: what YAML and JSON documents become, and which are refused.

use config::{Document, Node, Style, Value};

/// The tree as text: `{a: [1, "b"], c: null}`, quotes for everything that was quoted.
fn show(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Broken => "broken".into(),
        Value::Scalar(scalar) if scalar.style == Style::Plain => scalar.text.clone(),
        Value::Scalar(scalar) => format!("{:?}", scalar.text),
        Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|entry| format!("{}: {}", entry.key.value, show(&entry.value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// The tree and the faults of a document; `refused` instead of the tree when there is none.
fn read(text: &str) -> String {
    match Document::parse("t.yaml", text.as_bytes()) {
        Ok(document) => {
            let faults: String =
                document.faults.iter().map(|fault| format!(" ! {}", fault.message)).collect();
            show(&document.root) + &faults
        }
        Err(faults) => {
            let list: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
            format!("refused: {}", list.join(" ! "))
        }
    }
}

#[test]
fn documents_become_trees() {
    let check = |text: &str, expected: &str| assert_eq!(read(text), expected, "{text:?}");
    check("a: 1\nb: [x, 'y', \"z\"]\n", "{a: 1, b: [x, \"y\", \"z\"]}");
    check(
        "a:\nb: ~\nc: null\nd: Null\ne: NULL\nf: ''\ng: nULL\n",
        "{a: null, b: null, c: null, d: null, e: null, f: \"\", g: nULL}",
    );
    check("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{a: \"x\\ny\\n\", b: \"x y\"}");
    check(
        "prefix: /#/io.l5d.fs\nx: {p: /#/a, q: a#b} # comment\n",
        "{prefix: /#/io.l5d.fs, x: {p: /#/a, q: a#b}}",
    );
    check(
        "{\"a\": 1, \"b\": [true, null, \"c\\u0041\\/\\ud83d\\ude00\"]}",
        "{a: 1, b: [true, null, \"cA/😀\"]}",
    );
    check("\n\t {\n\t\"a\"\t:\t{\"b\":\"c\"}\n}", "{a: {b: \"c\"}}");
    check("a: !!str 12\nb: !!int 12\nc: !odd 12\n", "{a: \"12\", b: 12, c: 12}");
    check("\u{FEFF}a: 1\n", "{a: 1}");
    check("a: 1\r\nb: 2\r\n", "{a: 1, b: 2}");
    check("%YAML 1.1\n---\na: 1\n", "{a: 1}");
}

#[test]
fn only_the_first_document_is_read() {
    let check = |text: &str, expected: &str| assert_eq!(read(text), expected, "{text:?}");
    check("a: 1\n---\nb: 2\n", "{a: 1}");
    check("a: 1\n---\nb: [\n", "{a: 1}");
    check("---\na: 1\n...\n}}\n", "{a: 1}");
}

#[test]
fn anchors_aliases_and_merge_keys() {
    let check = |text: &str, expected: &str| assert_eq!(read(text), expected, "{text:?}");
    check("a: &x {b: 1}\nc: *x\n", "{a: {b: 1}, c: {b: 1}}");
    check("a: &x 1\n*x : 2\n", "{a: 1, 1: 2}");
    check("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n", "{a: {b: 1, c: 2}, d: {c: 3, b: 1}}");
    check(
        "a: &x {b: 1}\nc: &y {b: 2, d: 4}\ne: {<<: [*x, *y]}\n",
        "{a: {b: 1}, c: {b: 2, d: 4}, e: {b: 1, d: 4}}",
    );
    check("a: &x {b: 1}\nc: &x {b: 2}\nd: *x\n", "{a: {b: 1}, c: {b: 2}, d: {b: 2}}");
    check("a: {'<<': 1}\n", "{a: {<<: 1}}");
    check("a: {<<: 1}\n", "{a: {}} ! `<<` cannot merge this");
    check("a: *x\n", "{a: broken} ! alias `*x` has no anchor");
    check("a: &x [*x]\n", "{a: [broken]} ! an alias must not stand inside the value it repeats");
}

#[test]
fn what_is_wrong_but_leaves_a_tree() {
    let check = |text: &str, expected: &str| assert_eq!(read(text), expected, "{text:?}");
    check("a: 1\nb: 2\na: 3\n", "{a: 1, b: 2} ! duplicate key `a`");
    check("{\"a\":5,\"a\":7}", "{a: 5} ! duplicate key `a`");
    check("a: {b: 1, b: {c: 1, c: 2}}\n", "{a: {b: 1}} ! duplicate key `b` ! duplicate key `c`");
    check("[1]: a\nb: 2\n", "{b: 2} ! a list is no key");
    check("~: a\n", "{} ! nothing is no key");
}

#[test]
fn what_is_no_configuration() {
    let check = |text: &str, expected: &str| assert_eq!(read(text), expected, "{text:?}");
    check("", "refused: the document is empty");
    check("---\n", "refused: the document is empty");
    check("# nothing\n", "refused: the document is empty");
    check("- a\n- b\n", "refused: the document is a list");
    check("// x\n{\"routers\":[]}", "refused: the document is a plain value");
    check("'a'", "refused: the document is a text");
    assert!(read("a: [1\nb: 2\n").starts_with("refused: not valid YAML: "), "{}", read("a: [1\nb: 2\n"));
    assert!(read("{\"a\": [1}").starts_with("refused: not valid JSON: "), "{}", read("{\"a\": [1}"));
    assert!(read("a: 1\n b: 2\n").starts_with("refused: not valid YAML: "), "{}", read("a: 1\n b: 2\n"));
    let faults = Document::parse("t.yaml", b"a: \xFF\n").expect_err("no UTF-8");
    assert_eq!(
        faults.iter().next().map(|fault| (fault.span.start, fault.message.as_str())),
        Some((3, "the text is not UTF-8"))
    );
}

#[test]
fn spans_cover_what_was_written() {
    let text = "a: {b: 1}\nc:\n  d: 'x'\n  e: [1,\n    2]\nf: |\n  text\ng: 2\n";
    let document = Document::parse("t.yaml", text.as_bytes()).expect("a document");
    let check = |keys: &[&str], expected: &str| {
        let node = keys.iter().fold(&document.root, |node, key| node.get(key).expect("the key"));
        assert_eq!(document.source.slice(node.span), expected, "{keys:?}");
    };
    check(&["a"], "{b: 1}");
    check(&["a", "b"], "1");
    check(&["c"], "d: 'x'\n  e: [1,\n    2]");
    check(&["c", "d"], "'x'");
    check(&["c", "e"], "[1,\n    2]");
    check(&["g"], "2");
}

#[test]
fn hostile_documents_end_soon() {
    let check = |text: String, expected: &str| {
        let read = read(&text);
        assert!(read.starts_with(expected), "{}", &read[..read.len().min(200)]);
    };
    check("[".repeat(100_000), "refused: not valid YAML: ");
    check("{\"a\":".repeat(100_000), "refused: not valid JSON: ");
    check((0..5_000).map(|depth| " ".repeat(depth) + "a:\n").collect(), "refused: not valid YAML: ");
    let laughs: String =
        (1..30).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))).collect();
    check(format!("a0: &a0 [x]\n{laughs}"), "refused: the document has more than 200000 values");
    check(format!("a: {}\n", "x, ".repeat(10).repeat(1 << 20)), "refused: the document has 31457284 bytes");
    let keys: String = (0..60_000).map(|n| format!("k{n}: 1\n")).collect();
    check(keys, "{k0: 1, ");
}

#[test]
fn long_values_are_values() {
    let long = "/svc/web => /srv/web ; ".repeat(200);
    let check = |text: String| {
        let document = Document::parse("t.yaml", text.as_bytes()).expect("a document");
        assert_eq!(
            document.root.get("a").and_then(Node::text).map(str::trim),
            Some(long.trim()),
            "{}",
            &text[..20]
        );
    };
    check(format!("a: {long}\n"));
    check(format!("a: '{long}'\n"));
    check(format!("{{\"a\": \"{long}\", \"b\": 1}}"));
    check(format!("--- {{a: {long}}} # braces of YAML\n"));
}

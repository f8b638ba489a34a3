//! Reads the files of messages.

/// The marked request that follows each message.
pub(crate) fn marked(mark: &str) -> String {
    format!("GET /marked HTTP/1.1\r\nHost: web\r\nX-Mark: {mark}\r\n\r\n")
}

/// Lines of a file: `columns` columns, the last one bytes.
pub(crate) fn rows(text: &str, columns: usize) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.splitn(columns, " | ").collect()).collect();
    if let Some(short) = rows.iter().find(|row| row.len() != columns) {
        panic!("not {columns} columns: {short:?}");
    }
    rows
}

/// The bytes a text stands for; see the head of `requests.txt`.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '\\' => rest = escaped(rest, &mut out),
            '{' if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                let (count, behind) = rest.split_once('*').expect("{3*abc}");
                let (what, behind) = behind.split_once('}').expect("{3*abc}");
                out.extend(bytes(what).repeat(count.parse().expect("a number before *")));
                rest = behind;
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}

/// One escape, without its backslash; returns what follows it.
fn escaped<'a>(text: &'a str, out: &mut Vec<u8>) -> &'a str {
    let (byte, len) = match text.as_bytes().first() {
        Some(b'r') => (b'\r', 1),
        Some(b'n') => (b'\n', 1),
        Some(b't') => (b'\t', 1),
        Some(b'0') => (0, 1),
        Some(b'\\') => (b'\\', 1),
        Some(b'x') => (u8::from_str_radix(&text[1..3], 16).expect("two hexadecimal digits"), 3),
        _ => panic!("an escape nobody knows: \\{text}"),
    };
    out.push(byte);
    &text[len..]
}

#[test]
fn texts_stand_for_bytes() {
    let check = |text: &str, want: &[u8]| assert_eq!(bytes(text), want, "{text}");
    check("a\\r\\n\\t\\0\\\\\\xe4b", b"a\r\n\t\0\\\xe4b");
    check("{3*ab\\n}c{}", b"ab\nab\nab\nc{}");
}

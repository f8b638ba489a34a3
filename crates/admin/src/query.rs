//! Values of a URI's query, and of a form in a body, which is written the same way.

/// The first value of `wanted` in a query, decoded.
pub fn first(query: &str, wanted: &str) -> Option<Vec<u8>> {
    all(query, wanted).next()
}

/// All values of `wanted` in a query, decoded.
pub fn all<'q>(query: &'q str, wanted: &'q str) -> impl Iterator<Item = Vec<u8>> + 'q {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(move |(key, _)| *key == wanted).map(|(_, value)| form_decoded(value))
}

/// A value of a query: `+` for blanks, `%xx` for any byte; what is no escape stays.
fn form_decoded(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escape = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escape = escape.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let (byte, used) = match (first, escape.map(|digits| u8::from_str_radix(digits, 16))) {
            (b'%', Some(Ok(byte))) => (byte, 3),
            (b'+', _) => (b' ', 1),
            (other, _) => (other, 1),
        };
        out.push(byte);
        rest = &rest[used..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let check =
            |value: &str, expected: &str| assert_eq!(form_decoded(value), expected.as_bytes(), "{value}");
        check("/a+b", "/a b");
        check("%2Fa%20%e4%b8%96", "/a 世");
        check("100%", "100%");
        check("%zz%4", "%zz%4");
        check("", "");
    }
}

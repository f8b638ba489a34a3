//! Texts as Go's standard library reads and writes them: the manifests and demos of the examples rely on them.

mod duration;

pub(crate) use duration::{parse_duration, show_duration};

/// A number out of range or no number at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FloatFault {
    /// No number.
    Syntax,
    /// Too large.
    Range,
}

/// Reads a floating point number: decimal with optional exponent, `inf`, `infinity`, `nan` in any case. (Go also reads
/// hexadecimal ones, which no manifest has.)
pub(crate) fn parse_float(text: &str) -> Result<f64, FloatFault> {
    let number: f64 = text.parse().map_err(|_| FloatFault::Syntax)?;
    let signed = text.starts_with(['+', '-']);
    if number.is_nan() && signed {
        return Err(FloatFault::Syntax);
    }
    if number.is_infinite() && !text.to_ascii_lowercase().contains("inf") {
        return Err(FloatFault::Range);
    }
    Ok(number)
}

/// A quoted JSON string as `encoding/json` writes it: safe inside HTML, faulty UTF-8 replaced.
pub(crate) fn json_string(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_escaped(&mut out, c));
        // Go replaces byte by byte, and so writes one mark for each.
        chunk.invalid().iter().for_each(|_| out.push_str("\\ufffd"));
    }
    out.push('"');
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
        c => out.push(c),
    }
}

/// The first value of a query parameter; pairs that cannot be decoded are passed over.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').filter(|pair| !pair.contains(';')).find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescape(key)? == name).then(|| unescape(value))?
    })
}

/// Undoes `%xx` and `+`. `None` for a faulty escape.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let (digits, tail) = tail.split_at_checked(2)?;
                out.push(16 * hex(digits[0])? + hex(digits[1])?);
                rest = tail;
            }
            byte => out.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests;

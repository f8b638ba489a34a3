//! Numbers and texts as they stand in headers, written into buffers that are kept: the request path formats nothing with
//! `format!`.

use balance::Nanos;
use std::fmt::Write as _;

/// Appends `value` in decimal.
pub(crate) fn push_decimal(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `value` as 16 lower-case hexadecimal digits.
pub(crate) fn hex16(value: u64) -> [u8; 16] {
    // Four bytes at a time become eight nibbles in eight bytes; a nibble above 9 is a letter.
    let eight = |half: u32| {
        let mut n = u64::from(half);
        n = (n | n << 16) & 0x0000_ffff_0000_ffff;
        n = (n | n << 8) & 0x00ff_00ff_00ff_00ff;
        n = (n | n << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        let letters = (n + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
        n + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)
    };
    let digits = u128::from(eight((value >> 32) as u32)) << 64 | u128::from(eight(value as u32));
    digits.to_be_bytes()
}

/// A decimal number, digits only; `None` when it is anything else or does not fit.
pub(crate) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, &b| {
        let digit = u64::from(b.checked_sub(b'0').filter(|d| *d < 10)?);
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// The form encoding of `text` in ISO-8859-1, at most `limit` bytes of it (dataplane.md §4.6): blank is `+`, letters,
/// digits and `.-*_` stand for themselves, characters beyond Latin-1 are `?`. Never ends inside an escape.
pub(crate) fn form_encoded(text: &str, limit: usize) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len().saturating_mul(2).min(limit));
    for c in text.chars() {
        let byte = u8::try_from(u32::from(c)).unwrap_or(b'?');
        let plain = byte.is_ascii_alphanumeric() || b".-*_".contains(&byte);
        if out.len() + if plain || byte == b' ' { 1 } else { 3 } > limit {
            break;
        }
        match byte {
            b' ' => out.push(b'+'),
            _ if plain => out.push(byte),
            _ => out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
    out
}

/// Bytes as text: UTF-8 where they are UTF-8, any other byte as the Latin-1 character it would be.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|&b| char::from(b)));
    }
    out
}

/// A span of time in the words Linkerd's messages use, units always in the plural: `300.milliseconds`,
/// `1.seconds`, `1.minutes+30.seconds`.
pub(crate) fn duration(span: Nanos) -> String {
    const UNITS: [(&str, u64); 7] = [
        ("days", 86_400_000_000_000),
        ("hours", 3_600_000_000_000),
        ("minutes", 60_000_000_000),
        ("seconds", 1_000_000_000),
        ("milliseconds", 1_000_000),
        ("microseconds", 1_000),
        ("nanoseconds", 1),
    ];
    let (mut out, mut left) = (String::new(), span.0);
    for (unit, size) in UNITS {
        let count = left / size;
        left %= size;
        if count > 0 {
            let plus = if out.is_empty() { "" } else { "+" };
            // Writing to a String cannot fail.
            let _ = write!(out, "{plus}{count}.{unit}");
        }
    }
    if out.is_empty() { "0.seconds".to_owned() } else { out }
}

/// Longest text [`base64_encode`] makes.
pub(crate) const BASE64_MAX: usize = 56;

/// Standard base64 with padding of at most 40 bytes; the text's length is returned. Every request has one, so digits are
/// made eight at a time.
pub(crate) fn base64_encode(bytes: &[u8], out: &mut [u8; BASE64_MAX]) -> usize {
    for (six, eight) in bytes.chunks(6).zip(out.chunks_exact_mut(8)) {
        let mut word = [0; 8];
        word[2..2 + six.len()].copy_from_slice(six);
        eight.copy_from_slice(&sextets(u64::from_be_bytes(word)).to_be_bytes());
    }
    let digits = (bytes.len() * 8).div_ceil(6);
    let len = bytes.len().div_ceil(3) * 4;
    for c in &mut out[..digits] {
        *c = base64_digit(*c);
    }
    out[digits..len].fill(b'=');
    len
}

/// The eight sextets of the lower 48 bits, one in each byte.
#[inline]
fn sextets(word: u64) -> u64 {
    let halves = (word & 0xffff_ff00_0000) << 8 | word & 0xff_ffff;
    let quarters = (halves & 0x00ff_f000_00ff_f000) << 4 | halves & 0x0000_0fff_0000_0fff;
    (quarters & 0x0fc0_0fc0_0fc0_0fc0) << 2 | quarters & 0x003f_003f_003f_003f
}

/// The digit for a sextet, by arithmetic alone.
#[inline]
fn base64_digit(sextet: u8) -> u8 {
    let past = |limit: u8, step: u8| if sextet > limit { step } else { 0 };
    let letters = sextet.wrapping_add(b'A').wrapping_add(past(25, b'a' - b'Z' - 1));
    letters
        .wrapping_sub(past(51, b'z' + 1 - b'0'))
        .wrapping_sub(past(61, b'9' + 1 - b'+'))
        .wrapping_add(past(62, b'/' - b'+' - 1))
}

/// Reads standard, padded base64 into `out`; `None` when it is not that or too long. The number of bytes is returned.
pub(crate) fn base64_decode(text: &[u8], out: &mut [u8; 42]) -> Option<usize> {
    if text.is_empty() || !text.len().is_multiple_of(4) || text.len() > BASE64_MAX {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|&&c| c == b'=').count();
    let body = &text[..text.len() - padding];
    for (four, three) in body.chunks(4).zip(out.chunks_mut(3)) {
        let mut word = 0u32;
        for i in 0..4 {
            word = word << 6 | four.get(i).map_or(Some(0), |&c| sextet(c))?;
        }
        for (i, byte) in three.iter_mut().enumerate() {
            *byte = (word >> (16 - 8 * i)) as u8;
        }
    }
    Some(text.len() / 4 * 3 - padding)
}

fn sextet(c: u8) -> Option<u32> {
    Some(u32::from(match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for value in [0, 7, 10, 1_234_567_890, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, value);
            assert_eq!(out, value.to_string().into_bytes());
            assert_eq!(parse_decimal(&out), Some(value));
        }
        for bad in ["", "-1", "+1", "1 ", "x", "18446744073709551616", "1e3"] {
            assert_eq!(parse_decimal(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn hexadecimals() {
        for value in [0, 1, 0xdead_beef, u64::MAX] {
            assert_eq!(hex16(value).to_vec(), format!("{value:016x}").into_bytes());
        }
    }

    #[test]
    fn form_encoding() {
        let check = |text: &str, limit: usize, want: &str| {
            assert_eq!(String::from_utf8_lossy(&form_encoded(text, limit)), want, "{text:?} {limit}");
        };
        check("Unable to route request!\n\n/svc", 99, "Unable+to+route+request%21%0A%0A%2Fsvc");
        check("0.50*/$ & a-b_c.d", 99, "0.50*%2F%24+%26+a-b_c.d");
        check("é€", 99, "%E9%3F");
        check("ab\n", 4, "ab");
        check("ab\n", 5, "ab%0A");
        check("abc", 2, "ab");
        check("x", 0, "");
    }

    #[test]
    fn durations() {
        let check = |nanos: u64, want: &str| assert_eq!(duration(Nanos(nanos)), want);
        check(0, "0.seconds");
        check(300_000_000, "300.milliseconds");
        check(1_000_000_000, "1.seconds");
        check(10_000_000_000, "10.seconds");
        check(1_500_000_000, "1.seconds+500.milliseconds");
        check(90_000_000_000, "1.minutes+30.seconds");
        check(1, "1.nanoseconds");
    }

    #[test]
    fn base64_there_and_back() {
        let bytes: Vec<u8> = (0..40u8).map(|i| i.wrapping_mul(37)).collect();
        for n in 1..=40 {
            let (mut text, mut back) = ([0; BASE64_MAX], [0; 42]);
            let len = base64_encode(&bytes[..n], &mut text);
            assert_eq!(base64_decode(&text[..len], &mut back), Some(n));
            assert_eq!(back[..n], bytes[..n]);
        }
        let check = |text: &str, want: Option<&[u8]>| {
            let mut out = [0; 42];
            let got = base64_decode(text.as_bytes(), &mut out).map(|n| out[..n].to_vec());
            assert_eq!(got.as_deref(), want, "{text}");
        };
        check("aGVsbG8=", Some(b"hello"));
        check("aGVsbG8", None);
        check("====", None);
        check("a===", None);
        check("aG=s", None);
        check("aGVsbG8\u{e9}", None);
        check(&"A".repeat(60), None);
    }
}

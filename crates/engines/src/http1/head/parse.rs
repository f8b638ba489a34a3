//! From bytes to indexed lines: one look at each byte of a head.
//!
//! The head is checked, its lines indexed and their names classified in the same pass, because every request pays for two
//! heads (docs/adr/0002). What is accepted is what httparse accepts, less what two readers could take in two ways; the
//! tests hold the two to each other.

use super::{HeadBuf, HeadError, Line, MOST_LINES, StartLine, bit, offset};
use crate::http1::scan::{Limits, Scanner};
use router::header::Known;
use router::seam::Version;

/// What a head belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Request,
    Response,
}

impl HeadBuf {
    /// Reads a head off the start of `input`: its length, or nothing as long as bytes are missing. `scanner` keeps the
    /// place between calls, which are given the same bytes and more.
    ///
    /// A head that comes whole is read at once. One that comes in pieces costs a second look at its bytes, but no more
    /// than that, however small the pieces.
    pub(crate) fn read(
        &mut self,
        message: Message,
        scanner: &mut Scanner,
        input: &[u8],
        limits: Limits,
    ) -> Result<Option<usize>, HeadError> {
        if scanner.is_fresh()
            && let Some(n) = self.parse(message, input, limits)?
        {
            return Ok(Some(n));
        }
        let Some(n) = scanner.scan(input, limits)? else { return Ok(None) };
        *scanner = Scanner::default();
        match self.parse(message, &input[..n], limits)? {
            Some(parsed) if parsed == n => Ok(Some(n)),
            _ => Err(HeadError::Malformed("incomplete first line")),
        }
    }

    /// Takes over the head at the start of `input`, if all of it is there.
    fn parse(&mut self, message: Message, input: &[u8], limits: Limits) -> Result<Option<usize>, HeadError> {
        self.clear();
        let start = match message {
            Message::Request => request_line(input)?,
            Message::Response => status_line(input)?,
        };
        let Some(start) = start else { return Ok(None) };
        if start.len as usize >= limits.initial_line {
            return Err(HeadError::LineTooLong);
        }
        self.start = start;
        let end = self.lines(input, start.len as usize + 2, limits.headers)?;
        if let Some(end) = end {
            self.bytes.extend_from_slice(&input[..end]);
        }
        Ok(end)
    }

    /// Indexes the header lines from `at` on, up to and with the empty line; all together must be shorter than `limit`.
    fn lines(&mut self, input: &[u8], mut at: usize, limit: usize) -> Result<Option<usize>, HeadError> {
        let mut total = 0;
        loop {
            let Some(&first) = input.get(at) else { return Ok(None) };
            if first == b'\r' {
                return Ok(line_end(input, at)?.then_some(at + 2));
            }
            let Some(line) = header_line(input, at)? else { return Ok(None) };
            let next = line.end as usize;
            total += next - 2 - at;
            if total >= limit {
                return Err(HeadError::HeadersTooLong);
            }
            if self.lines.len() == MOST_LINES {
                return Err(HeadError::TooManyLines);
            }
            if let Some(known) = line.known {
                self.repeated |= self.present & bit(known);
                self.present |= bit(known);
            }
            self.lines.push(line);
            at = next;
        }
    }
}

/// Reads `method SP target SP HTTP/1.x CRLF`.
fn request_line(input: &[u8]) -> Result<Option<StartLine>, HeadError> {
    let method = token_end(input, 0);
    if method == input.len() {
        return Ok(None);
    }
    if method == 0 || input[method] != b' ' {
        return Err(unfit(input[method], "invalid method"));
    }
    let target = method + 1;
    let visible = |b: &u8| (0x21..=0x7e).contains(b);
    let Some(len) = input[target..].iter().position(|b| !visible(b)) else { return Ok(None) };
    let end = target + len;
    if len == 0 || input[end] != b' ' {
        return Err(unfit(input[end], "invalid byte in the request target"));
    }
    let Some(rest) = input[end + 1..].first_chunk::<8>() else { return Ok(None) };
    let version = version(rest)?;
    Ok(line_end(input, end + 9)?.then_some(StartLine {
        len: offset(end + 9),
        method_len: offset(method),
        target: offset(target),
        target_end: offset(end),
        status: 0,
        version,
    }))
}

/// Reads `HTTP/1.x SP status [SP reason] CRLF`.
fn status_line(input: &[u8]) -> Result<Option<StartLine>, HeadError> {
    let Some(&[a, b, c, d, e, f, g, h, space, x, y, z]) = input.first_chunk::<12>() else {
        return Ok(None);
    };
    let version = version(&[a, b, c, d, e, f, g, h])?;
    if space != b' ' || ![x, y, z].iter().all(u8::is_ascii_digit) {
        return Err(HeadError::Malformed("invalid status"));
    }
    let status = [x, y, z].iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    let len = value_end(input, 12);
    match input.get(12) {
        Some(b' ' | b'\r') | None => {}
        Some(_) => return Err(HeadError::Malformed("invalid status")),
    }
    if len == input.len() {
        return Ok(None);
    }
    Ok(line_end(input, len)?.then_some(StartLine {
        len: offset(len),
        status,
        version,
        ..StartLine::default()
    }))
}

fn version(text: &[u8; 8]) -> Result<Version, HeadError> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(HeadError::Malformed("invalid HTTP version")),
    }
}

/// Reads `name: value CRLF` at `at`, where there is a byte.
#[inline]
fn header_line(input: &[u8], at: usize) -> Result<Option<Line>, HeadError> {
    let name_end = token_end(input, at);
    if name_end == input.len() {
        return Ok(None);
    }
    if name_end == at || input[name_end] != b':' {
        return Err(unfit(input[name_end], "invalid byte in a header name"));
    }
    let mut value = name_end + 1;
    while let Some(b' ' | b'\t') = input.get(value) {
        value += 1;
    }
    let crlf = value_end(input, value);
    if crlf == input.len() {
        return Ok(None);
    }
    if !line_end(input, crlf)? {
        return Ok(None);
    }
    let mut end = crlf;
    while end > value && matches!(input[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    Ok(Some(Line {
        name: offset(at),
        name_end: offset(name_end),
        value: offset(value),
        value_end: offset(end),
        end: offset(crlf + 2),
        known: Known::classify(&input[at..name_end]),
        live: true,
        clean: end == crlf && value == name_end + 2 && input[name_end + 1] == b' ',
    }))
}

/// A byte that cannot stand where it does.
#[cold]
fn unfit(byte: u8, why: &'static str) -> HeadError {
    if byte == b'\n' { HeadError::BareLineFeed } else { HeadError::Malformed(why) }
}

/// Whether this is one whole header or trailer line.
pub(crate) fn is_field_line(line: &[u8]) -> bool {
    let name = token_end(line, 0);
    name > 0 && line.get(name) == Some(&b':') && line[value_end(line, name)..] == *b"\r\n"
}

/// Whether the line ends at `at`, where there is a byte that cannot be part of it; false when its LF is missing.
fn line_end(input: &[u8], at: usize) -> Result<bool, HeadError> {
    match (input.get(at), input.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(true),
        (Some(b'\r') | None, None) => Ok(false),
        (Some(b'\n'), _) => Err(HeadError::BareLineFeed),
        (Some(b'\r'), _) => Err(HeadError::Malformed("a CR without LF")),
        _ => Err(HeadError::Malformed("invalid byte in a line")),
    }
}

/// Which bytes may stand in a method or a name (RFC 9110 §5.6.2).
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let byte = b as u8;
        table[b] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        b += 1;
    }
    table
};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// The first offset from `at` on that is no token byte. Eight bytes are looked at together: nearly all names are made of
/// letters, digits and `-`.
fn token_end(input: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = input[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let usual = usual_in_names(word);
        if usual == HIGH {
            at += 8;
            continue;
        }
        at += (usual ^ HIGH).trailing_zeros() as usize / 8;
        if !TOKEN[usize::from(input[at])] {
            return at;
        }
        at += 1;
    }
    let len = input[at..].iter().position(|&b| !TOKEN[usize::from(b)]);
    len.map_or(input.len(), |len| at + len)
}

/// The high bit of each byte that is a letter, a digit or `-`.
#[inline]
fn usual_in_names(word: u64) -> u64 {
    // Seven bits each, so that no sum reaches the next byte.
    let low = word & !HIGH;
    let at_least = |bytes: u64, least: u8| bytes + ONES * u64::from(0x80 - least);
    let folded = low | (0x20 * ONES);
    let letters = at_least(folded, b'a') & !at_least(folded, b'z' + 1);
    let digits = at_least(low, b'0') & !at_least(low, b'9' + 1);
    let dashes = !((low ^ (ONES * u64::from(b'-'))) + 0x7f * ONES);
    (letters | digits | dashes) & !word & HIGH
}

/// The first offset from `at` on that cannot be part of a field value or a reason phrase: a control byte other than TAB.
/// Eight bytes are looked at together.
fn value_end(input: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = input[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        // A byte's high bit comes out set where the byte is below 0x20 or is 0x7f; the lowest such bit is exact.
        let low = word.wrapping_sub(0x20 * ONES) & !word;
        let delete = (word ^ (0x7f * ONES)).wrapping_sub(ONES) & !word;
        let found = (low | delete) & HIGH;
        if found == 0 {
            at += 8;
            continue;
        }
        at += found.trailing_zeros() as usize / 8;
        if input[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    let control = |&b: &u8| b < 0x20 && b != b'\t' || b == 0x7f;
    input[at..].iter().position(control).map_or(input.len(), |len| at + len)
}

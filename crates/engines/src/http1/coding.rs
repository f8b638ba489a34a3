//! Which content coding an answer gets on its way to the caller (dataplane.md §4.4).
//!
//! A caller that names no coding costs the look at one flag; one that does costs the look at the answer's head.

use super::head::HeadBuf;
use router::header::{Known, Name};
use router::seam::{Head, ResponseHead, Version};

/// Which answers are compressed (`compressionLevel`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// None (0).
    Never,
    /// Those of textual types, at zlib's usual level, 6 (-1, the default).
    #[default]
    Textual,
    /// Those of every type, at this level (1 to 9).
    Every(u8),
}

impl Compression {
    /// zlib's level.
    pub(crate) fn level(self) -> u8 {
        match self {
            Compression::Never | Compression::Textual => 6,
            Compression::Every(level) => level,
        }
    }

    fn covers(self, content_type: &[u8]) -> bool {
        match self {
            Compression::Never => false,
            Compression::Textual => is_textual(content_type),
            Compression::Every(_) => true,
        }
    }
}

/// A content coding that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// The zlib format (RFC 9110 §8.4.1.2).
    Deflate,
}

impl Coding {
    /// Its name on the wire.
    pub(crate) fn text(self) -> &'static [u8] {
        match self {
            Coding::Gzip => b"gzip",
            Coding::Deflate => b"deflate",
        }
    }
}

/// The coding for an answer that has a body.
pub(crate) fn of_response(wanted: Compression, request: &HeadBuf, response: &HeadBuf) -> Option<Coding> {
    if wanted == Compression::Never || !request.has(Known::AcceptEncoding) {
        return None;
    }
    // A part of a representation is numbered by that representation's bytes; older answers have no chunks.
    let fits = response.status() != 206 && response.version() == Version::Http11;
    if !fits || response.has(Known::ContentEncoding) || !response.has(Known::ContentType) {
        return None;
    }
    let content_type = response.get(Known::ContentType.into())?;
    if !wanted.covers(content_type) || forbids_change(response) {
        return None;
    }
    accepted(request.values(Known::AcceptEncoding.into()))
}

/// The coding for an answer of the proxy's own.
pub(crate) fn of_generated(wanted: Compression, request: &HeadBuf, content_type: &[u8]) -> Option<Coding> {
    if !wanted.covers(content_type) || !request.has(Known::AcceptEncoding) {
        return None;
    }
    accepted(request.values(Known::AcceptEncoding.into()))
}

/// `Cache-Control: no-transform` (RFC 9110 §7.7).
fn forbids_change(response: &HeadBuf) -> bool {
    let directives = response.values(Name::Other(b"cache-control")).flat_map(|v| v.split(|&b| b == b','));
    directives.into_iter().any(|d| d.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// Types that are text, compared without case and parameters.
fn is_textual(content_type: &[u8]) -> bool {
    const APPLICATION: [&[u8]; 7] =
        [b"atom+xml", b"javascript", b"json", b"rss+xml", b"x-javascript", b"xhtml+xml", b"xml"];
    let bare = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    let Some(slash) = bare.iter().position(|&b| b == b'/') else { return false };
    let (family, kind) = (&bare[..slash], &bare[slash + 1..]);
    family.eq_ignore_ascii_case(b"text")
        || family.eq_ignore_ascii_case(b"application")
            && APPLICATION.iter().any(|t| kind.eq_ignore_ascii_case(t))
        || bare.eq_ignore_ascii_case(b"image/svg+xml")
}

/// Weights of `Accept-Encoding` in thousandths; `None` for what is not named.
#[derive(Default)]
struct Weights {
    gzip: Option<u16>,
    deflate: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    fn of(&mut self, coding: &[u8]) -> Option<&mut Option<u16>> {
        let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
        match coding {
            b"*" => Some(&mut self.any),
            _ if is(b"gzip") || is(b"x-gzip") => Some(&mut self.gzip),
            _ if is(b"deflate") => Some(&mut self.deflate),
            _ if is(b"identity") => Some(&mut self.identity),
            _ => None,
        }
    }
}

/// The best of the codings a caller accepts: the heavier one, of two equal ones gzip (RFC 9110 §12.5.3).
fn accepted<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Coding> {
    let mut weights = Weights::default();
    for item in values.flat_map(|v| v.split(|&b| b == b',')) {
        let mut parts = item.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(quality).unwrap_or(1000);
        let Some(slot) = weights.of(name) else { continue };
        *slot = Some(slot.unwrap_or(0).max(weight));
    }
    let of = |weight: Option<u16>| weight.or(weights.any).unwrap_or(0);
    let (gzip, deflate) = (of(weights.gzip), of(weights.deflate));
    let best = gzip.max(deflate);
    if best == 0 || weights.identity.is_some_and(|identity| identity > best) {
        return None;
    }
    Some(if gzip >= deflate { Coding::Gzip } else { Coding::Deflate })
}

/// The value of a `q` parameter in thousandths; one that is no number counts as 0.
fn quality(parameter: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(parameter).ok()?;
    let (name, value) = text.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let weight = value.trim().parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0);
    Some((weight * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// dataplane.md §4.4, as recorded; the codings and their weights as RFC 9110 §12.5.3.
    #[test]
    fn what_a_caller_accepts() {
        let check = |values: &[&str], want: Option<Coding>| {
            assert_eq!(accepted(values.iter().map(|v| v.as_bytes())), want, "{values:?}");
        };
        let (gzip, deflate) = (Some(Coding::Gzip), Some(Coding::Deflate));
        check(&["gzip"], gzip);
        check(&["GZip ; Q=0.1"], gzip);
        check(&["x-gzip"], gzip);
        check(&["deflate"], deflate);
        check(&["deflate, gzip"], gzip);
        check(&["deflate", "gzip"], gzip);
        check(&["gzip;q=0.5, deflate;q=0.8"], deflate);
        check(&["gzip;q=0, deflate"], deflate);
        check(&["*"], gzip);
        check(&["gzip;q=0, *"], deflate);
        check(&["*;q=0"], None);
        check(&["gzip, *;q=0"], gzip);
        check(&["gzip;q=0"], None);
        check(&["gzip;q=0.000"], None);
        check(&["gzip;q=x"], None);
        check(&["gzip;level=9"], gzip);
        check(&["br"], None);
        check(&["br, gzip;q=0.001"], gzip);
        check(&["identity"], None);
        check(&["identity, gzip"], gzip);
        check(&["identity, gzip;q=0.5"], None);
        check(&["notgzip, gzipped"], None);
        check(&[""], None);
        check(&[], None);
    }

    #[test]
    fn what_is_text() {
        let check = |content_type: &str, want: bool| {
            assert_eq!(is_textual(content_type.as_bytes()), want, "{content_type}");
        };
        for text in [
            "text/html",
            "TEXT/Plain; charset=utf-8",
            "text/event-stream",
            "application/json",
            "Application/JSON;charset=x",
            "application/atom+xml",
            "application/javascript",
            "application/rss+xml",
            "application/x-javascript",
            "application/xhtml+xml",
            "application/xml",
            "image/svg+xml",
        ] {
            check(text, true);
        }
        for other in [
            "application/octet-stream",
            "image/png",
            "application/jsonx",
            "text",
            "",
            "x/text",
            "application",
        ] {
            check(other, false);
        }
    }

    fn heads(accept: &str, response: &str) -> (HeadBuf, HeadBuf) {
        let (mut ask, mut answer) = (HeadBuf::default(), HeadBuf::default());
        ask.parse_request(format!("GET / HTTP/1.1\r\n{accept}\r\n").as_bytes()).expect(accept);
        answer.parse_response(format!("HTTP/{response}\r\n").as_bytes()).expect(response);
        (ask, answer)
    }

    #[test]
    fn which_answers_are_compressed() {
        let check = |wanted: Compression, response: &str, want: bool| {
            let (ask, answer) = heads("Accept-Encoding: gzip\r\n", response);
            let got = of_response(wanted, &ask, &answer);
            assert_eq!(got, want.then_some(Coding::Gzip), "{wanted:?} {response:?}");
        };
        use Compression::{Every, Never, Textual};
        let text = "1.1 200 OK\r\nContent-Type: text/plain\r\n";
        let octets = "1.1 200 OK\r\nContent-Type: application/octet-stream\r\n";
        check(Textual, text, true);
        check(Textual, octets, false);
        check(Textual, "1.1 200 OK\r\n", false);
        check(Every(1), octets, true);
        check(Never, text, false);
        check(Textual, &format!("{text}Content-Encoding: br\r\n"), false);
        check(Textual, &format!("{text}Content-Encoding: identity\r\n"), false);
        check(Textual, "1.0 200 OK\r\nContent-Type: text/plain\r\n", false);
        check(Textual, "1.1 206 Partial Content\r\nContent-Type: text/plain\r\n", false);
        check(Textual, &format!("{text}Cache-Control: private, No-Transform\r\n"), false);
        check(Textual, &format!("{text}Cache-Control: private\r\n"), true);
        check(Textual, "1.1 404 Not Found\r\nContent-Type: text/html\r\n", true);
        let (ask, answer) = heads("", text);
        assert_eq!(of_response(Textual, &ask, &answer), None, "a caller that asks for nothing");
    }
}

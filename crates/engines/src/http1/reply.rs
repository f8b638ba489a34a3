//! Answers the engine writes itself.

use super::coding::{self, Coding, Compression};
use super::compress::Compressors;
use super::head::HeadBuf;
use router::header::Known;
use router::seam::Generated;
use router::status::reason;

/// The answer to what is not a request: sent before the router has seen anything, the connection ends with it
/// (dataplane.md §4.3, codec limits).
pub(crate) fn bare(status: u16) -> Vec<u8> {
    format!("HTTP/1.0 {status} {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", reason(status))
        .into_bytes()
}

/// What decides the form of a generated answer besides its content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// The request was HEAD: the body is left out.
    pub(crate) head_only: bool,
    /// The connection stays open.
    pub(crate) keep: bool,
    /// The caller speaks HTTP/1.0 and must be told so.
    pub(crate) say_keep: bool,
}

/// The content coding a generated answer gets (dataplane.md §4.4).
pub(crate) fn coding(
    answer: &Generated,
    form: Form,
    wanted: Compression,
    request: &HeadBuf,
) -> Option<Coding> {
    if form.head_only || answer.body.is_empty() {
        return None;
    }
    let known = |name: &str| Known::classify(name.as_bytes());
    let (_, content_type) = answer.headers.iter().find(|(n, _)| known(n) == Some(Known::ContentType))?;
    coding::of_generated(wanted, request, content_type)
}

/// As [`write`], with the body in a content coding of this level if there is a compressor left.
pub(crate) fn write_coded(
    answer: &Generated,
    form: Form,
    (coding, level): (Coding, u8),
    compressors: &mut Compressors,
    out: &mut Vec<u8>,
) {
    let Some(mut compressor) = compressors.take(coding, level) else { return write(answer, form, out) };
    let mut body = Vec::new();
    compressor.whole(&answer.body, &mut body);
    compressors.give(compressor);
    let mut headers = answer.headers.clone();
    headers.push((Known::ContentEncoding.text(), coding.text().to_vec()));
    write(&Generated { headers, body, ..*answer }, form, out);
}

/// Appends a generated answer.
pub(crate) fn write(answer: &Generated, form: Form, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(answer.status.into(), out);
    out.push(b' ');
    out.extend_from_slice(reason(answer.status).as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in &answer.headers {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    if answer.status != 204 && !(form.head_only && answer.last_if_head) {
        length_line(answer.body.len() as u64, out);
    }
    match form {
        Form { keep: false, .. } => out.extend_from_slice(b"Connection: close\r\n"),
        Form { say_keep: true, .. } => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
    if !form.head_only {
        out.extend_from_slice(&answer.body);
    }
}

/// Appends a Content-Length line.
pub(crate) fn length_line(n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(Known::ContentLength.text().as_bytes());
    out.extend_from_slice(b": ");
    decimal(n, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal digits.
pub(crate) fn decimal(n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_generated_answer() {
        let answer = Generated {
            status: 502,
            headers: vec![("l5d-err", b"x%0A".to_vec())],
            body: b"x\n".to_vec(),
            last_if_head: false,
        };
        let check = |form: Form, want: &str| {
            let mut out = Vec::new();
            write(&answer, form, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        };
        let head = "HTTP/1.1 502 Bad Gateway\r\nl5d-err: x%0A\r\nContent-Length: 2\r\n";
        let form = Form { head_only: false, keep: true, say_keep: false };
        check(form, &format!("{head}\r\nx\n"));
        check(Form { head_only: true, ..form }, &format!("{head}\r\n"));
        check(Form { say_keep: true, ..form }, &format!("{head}Connection: keep-alive\r\n\r\nx\n"));
        check(Form { keep: false, ..form }, &format!("{head}Connection: close\r\n\r\nx\n"));
        let last = Generated { last_if_head: true, ..answer.clone() };
        let mut out = Vec::new();
        write(&last, Form { head_only: true, keep: false, say_keep: false }, &mut out);
        let want = "HTTP/1.1 502 Bad Gateway\r\nl5d-err: x%0A\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn bare_answers() {
        assert_eq!(bare(400), b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
}

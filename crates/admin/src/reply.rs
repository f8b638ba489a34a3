//! The answers handlers give.

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::body::Body;

/// An answer.
pub type Response = hyper::Response<Body>;

const TEXT: &str = "text/plain;charset=UTF-8";

/// 200 with plain text.
pub fn text(body: impl Into<Bytes>) -> Response {
    reply(StatusCode::OK, TEXT, body.into())
}

/// 200 with text for programs, which say nothing of a charset as Linkerd does not (observability.md §3, §4).
pub fn plain(body: impl Into<Bytes>) -> Response {
    reply(StatusCode::OK, "text/plain", body.into())
}

/// The same, in pieces: a long text is never there twice.
pub fn plain_pieces(pieces: Vec<String>) -> Response {
    with(StatusCode::OK, "text/plain", Body::pieces(pieces.into_iter().map(Bytes::from)))
}

/// 200 with JSON.
pub fn json(body: impl Into<Bytes>) -> Response {
    reply(StatusCode::OK, "application/json;charset=UTF-8", body.into())
}

/// Any status with plain text.
pub fn status(code: StatusCode, body: impl Into<Bytes>) -> Response {
    reply(code, TEXT, body.into())
}

pub(crate) fn reply(code: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    with(code, content_type, Body::whole(body))
}

fn with(code: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

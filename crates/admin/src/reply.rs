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

/// 200 with JSON.
pub fn json(body: impl Into<Bytes>) -> Response {
    reply(StatusCode::OK, "application/json;charset=UTF-8", body.into())
}

/// Any status with plain text.
pub fn status(code: StatusCode, body: impl Into<Bytes>) -> Response {
    reply(code, TEXT, body.into())
}

pub(crate) fn reply(code: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

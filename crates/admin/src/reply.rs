//! The answers handlers give.

use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};

/// An answer with its whole body.
pub type Response = hyper::Response<Full<Bytes>>;

/// 200 with plain text.
pub fn text(body: impl Into<Bytes>) -> Response {
    reply(StatusCode::OK, "text/plain", body.into())
}

/// 200 with JSON.
pub fn json(body: impl Into<Bytes>) -> Response {
    reply(StatusCode::OK, "application/json", body.into())
}

/// Any status with plain text.
pub fn status(code: StatusCode, body: impl Into<Bytes>) -> Response {
    reply(code, "text/plain", body.into())
}

pub(crate) fn reply(code: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

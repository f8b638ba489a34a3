//! Bodies of answers: whole ones, in one piece or in several, and streams that go on until somebody ends them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

/// The body of an answer.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Full<Bytes>),
    /// What is left of it.
    Pieces(VecDeque<Bytes>),
    /// Ends when the sender is dropped.
    Stream(mpsc::Receiver<Bytes>),
}

impl Body {
    /// A body that is there.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Body {
        Body(Kind::Whole(Full::new(bytes)))
    }

    /// A body that is there in pieces, which are given back as they are sent.
    pub(crate) fn pieces(pieces: impl IntoIterator<Item = Bytes>) -> Body {
        Body(Kind::Pieces(pieces.into_iter().filter(|piece| !piece.is_empty()).collect()))
    }

    /// A body that comes piece by piece.
    pub(crate) fn stream(pieces: mpsc::Receiver<Bytes>) -> Body {
        Body(Kind::Stream(pieces))
    }

    /// Whether nobody knows when it ends.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.0, Kind::Stream(_))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Kind::Whole(full) => Pin::new(full).poll_frame(cx),
            Kind::Pieces(pieces) => Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(piece)))),
            Kind::Stream(pieces) => {
                pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(full) => full.is_end_stream(),
            Kind::Pieces(pieces) => pieces.is_empty(),
            Kind::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(full) => full.size_hint(),
            Kind::Pieces(pieces) => SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn pieces_are_one_text_of_known_length() {
        let check = |pieces: &[&'static str], length: u64| {
            let body = Body::pieces(pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())));
            assert_eq!(body.size_hint().exact(), Some(length), "{pieces:?}");
            assert_eq!(body.is_end_stream(), length == 0, "{pieces:?}");
            body
        };
        let whole = check(&["a\n", "", "bc\n"], 5).collect().await.unwrap().to_bytes();
        assert_eq!(whole, "a\nbc\n");
        assert_eq!(check(&[], 0).collect().await.unwrap().to_bytes(), "");
        assert_eq!(check(&[""], 0).collect().await.unwrap().to_bytes(), "");
    }
}

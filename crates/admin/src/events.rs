//! Server-sent events: the same text for everybody who listens.
//!
//! A listener that does not read costs a few texts and a connection for a while: it is dropped as soon as its queue is
//! full, and its connection is closed when nothing has been written for a time.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use crate::body::Body;
use crate::server::WriteLimit;
use crate::{Response, status};

/// How many texts wait for a listener that does not read.
const QUEUE: usize = 4;
/// How long a listener may take nothing before its connection is closed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stream of events with a bounded number of listeners. Clones are the same stream.
#[derive(Clone, Debug)]
pub struct Events {
    listeners: Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>,
    joined: Arc<Notify>,
    most: usize,
}

impl Events {
    /// A stream for up to `most` listeners.
    #[must_use]
    pub fn new(most: usize) -> Events {
        Events { listeners: Arc::default(), joined: Arc::default(), most }
    }

    /// The answer to somebody who wants to listen: the stream, or 503 when there are as many as may be.
    #[must_use]
    pub fn listen(&self) -> Response {
        let mut listeners = self.listeners.lock();
        listeners.retain(|listener| !listener.is_closed());
        if listeners.len() >= self.most {
            let text = format!("{} listen already, which is as many as may\n", self.most);
            let mut refusal = status(StatusCode::SERVICE_UNAVAILABLE, text);
            refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            return refusal;
        }
        let (sender, pieces) = mpsc::channel(QUEUE);
        // How long a browser waits before it asks again, in milliseconds.
        let _ = sender.try_send(Bytes::from_static(b"retry: 2000\n\n"));
        listeners.push(sender);
        drop(listeners);
        self.joined.notify_one();
        let mut response = Response::new(Body::stream(pieces));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(WriteLimit(PATIENCE));
        response
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        self.listeners.lock().iter().any(|listener| !listener.is_closed())
    }

    /// Waits until somebody new listens.
    pub async fn joined(&self) {
        self.joined.notified().await;
    }

    /// Tells everybody; who has not read the last few texts is told no more. `text` is one line.
    pub fn tell(&self, text: &str) {
        let event = Bytes::from(format!("data: {text}\n\n"));
        self.listeners.lock().retain(|listener| listener.try_send(event.clone()).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listeners_are_bounded_and_slow_ones_dropped() {
        let events = Events::new(2);
        assert!(!events.has_listeners());
        let first = events.listen();
        let second = events.listen();
        assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
        events.joined().await;
        assert_eq!(events.listen().status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(first);
        assert_eq!(events.listen().status(), StatusCode::OK, "who has gone makes room");
        // The second has not read since it came; its queue holds the first word and three texts.
        for text in ["1", "2", "3"] {
            events.tell(text);
            assert!(events.has_listeners());
        }
        events.tell("4");
        assert!(!events.has_listeners());
        let mut body = second.into_body();
        let mut seen = String::new();
        while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
            seen += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
        }
        assert_eq!(seen, "retry: 2000\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\n");
    }
}

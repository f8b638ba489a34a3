//! What a back end can be told to do.

use super::Seen;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Holds scripts back until the test opens it.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Gate {
        Gate(watch::Sender::new(false))
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn passed(&self) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// How long a back end takes, which a test may change while it runs. Clones are the same.
#[derive(Clone, Debug)]
pub struct Delay(Arc<AtomicU64>);

impl Delay {
    /// So long, to begin with.
    #[must_use]
    pub fn of(time: Duration) -> Delay {
        let delay = Delay(Arc::default());
        delay.set(time);
        delay
    }

    /// So long from the next request on.
    pub fn set(&self, time: Duration) {
        self.0.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How long it is now.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// One thing a back end does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Reads a whole request and remembers it.
    Request,
    /// Reads a request's head; [`Act::Body`] reads the rest.
    Head,
    /// Reads the body of the request whose head was read, and remembers the request.
    Body,
    /// Reads so many bytes whatever they are.
    Bytes(usize),
    /// Writes bytes.
    Write(Arc<[u8]>),
    /// Writes bytes one by one with a pause between them.
    Drip(Arc<[u8]>, Duration),
    /// Writes so many bytes of filling, as fast as they are taken.
    Fill(u64),
    /// Waits for the test.
    Wait(Gate),
    /// Takes its time.
    Pause(Delay),
    /// Says that nothing more will be sent, and goes on reading until the other side ends.
    FinishSending,
    /// Closes the connection.
    Close,
    /// Ends the connection with a reset.
    Reset,
    /// Keeps the connection open and neither reads nor writes any more.
    Hang,
}

/// Makes an answer from the request.
type Answer = Arc<dyn Fn(&Seen) -> Vec<u8> + Send + Sync>;

/// What a back end does for one request.
#[derive(Clone)]
pub enum Play {
    /// These acts, one after the other.
    Acts(Arc<[Act]>),
    /// Reads a whole request and answers it with what the function makes of it.
    Answer(Answer),
}

impl fmt::Debug for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Play::Acts(acts) => f.debug_tuple("Acts").field(acts).finish(),
            Play::Answer(_) => f.write_str("Answer"),
        }
    }
}

fn bytes(of: impl AsRef<[u8]>) -> Arc<[u8]> {
    of.as_ref().into()
}

impl Play {
    /// These acts.
    #[must_use]
    pub fn acts(acts: impl IntoIterator<Item = Act>) -> Play {
        Play::Acts(acts.into_iter().collect())
    }

    /// Reads the request, writes `reply` verbatim, keeps the connection.
    #[must_use]
    pub fn reply(reply: impl AsRef<[u8]>) -> Play {
        Play::acts([Act::Request, Act::Write(bytes(reply))])
    }

    /// Reads the request, answers with 200 and `text`, keeps the connection.
    #[must_use]
    pub fn text(text: &str) -> Play {
        Play::reply(Play::text_bytes(text))
    }

    /// The bytes [`Play::text`] answers with.
    #[must_use]
    pub fn text_bytes(text: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
    }

    /// Reads the request and answers it with what `answer` makes of it.
    #[must_use]
    pub fn answer(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Play {
        Play::Answer(Arc::new(answer))
    }

    /// Reads the request, takes its time, answers with 200 and `text`, keeps the connection.
    #[must_use]
    pub fn text_after(delay: &Delay, text: &str) -> Play {
        let reply = bytes(Play::text_bytes(text));
        Play::acts([Act::Request, Act::Pause(delay.clone()), Act::Write(reply)])
    }

    /// Reads the request, writes `reply` verbatim, closes.
    #[must_use]
    pub fn reply_then_close(reply: impl AsRef<[u8]>) -> Play {
        Play::acts([Act::Request, Act::Write(bytes(reply)), Act::Close])
    }

    /// Closes as soon as the connection is accepted.
    #[must_use]
    pub fn close_at_once() -> Play {
        Play::acts([Act::Close])
    }

    /// Reads the request, writes `reply`, then resets the connection.
    #[must_use]
    pub fn reset_after_reply(reply: impl AsRef<[u8]>) -> Play {
        Play::acts([Act::Request, Act::Write(bytes(reply)), Act::Reset])
    }

    /// Resets the connection when `n` bytes of the request have been read.
    #[must_use]
    pub fn reset_after_request_bytes(n: usize) -> Play {
        Play::acts([Act::Bytes(n), Act::Reset])
    }

    /// Reads the request and never answers.
    #[must_use]
    pub fn never_answer() -> Play {
        Play::acts([Act::Request, Act::Hang])
    }

    /// Accepts and reads nothing.
    #[must_use]
    pub fn read_nothing() -> Play {
        Play::acts([Act::Hang])
    }

    /// Reads the request and writes `reply` byte by byte.
    #[must_use]
    pub fn drip(reply: impl AsRef<[u8]>, pause: Duration) -> Play {
        Play::acts([Act::Request, Act::Drip(bytes(reply), pause)])
    }

    /// Writes these bytes.
    #[must_use]
    pub fn write(of: impl AsRef<[u8]>) -> Act {
        Act::Write(bytes(of))
    }

    /// Whether it begins without waiting for a request.
    pub(super) fn is_eager(&self) -> bool {
        let reads = [Act::Request, Act::Head, Act::Bytes(1)].map(|a| std::mem::discriminant(&a));
        match self {
            Play::Acts(acts) => acts.first().is_some_and(|a| !reads.contains(&std::mem::discriminant(a))),
            Play::Answer(_) => false,
        }
    }
}

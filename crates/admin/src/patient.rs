//! A connection whose other side may keep a write waiting for so long and no longer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a write may make no progress. Clones are the same limit, which holds from the next write on.
#[derive(Clone, Debug)]
pub(crate) struct Limit(Arc<AtomicU64>);

impl Limit {
    /// `None` waits for ever.
    pub(crate) fn new(limit: Option<Duration>) -> Limit {
        Limit(Arc::new(AtomicU64::new(limit.map_or(u64::MAX, millis))))
    }

    /// Makes it shorter, or leaves it.
    pub(crate) fn shorten(&self, limit: Duration) {
        self.0.fetch_min(millis(limit), Ordering::Relaxed);
    }

    fn get(&self) -> Option<Duration> {
        Some(self.0.load(Ordering::Relaxed)).filter(|millis| *millis < u64::MAX).map(Duration::from_millis)
    }
}

fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}

/// Fails a write that has made no progress for a time.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    io: S,
    limit: Limit,
    /// Runs while a write waits.
    wait: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(crate) fn new(io: S, limit: Limit) -> Patient<S> {
        Patient { io, limit, wait: None }
    }

    /// Passes on what a write came to; one that waits for too long fails.
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let Some(limit) = self.limit.get().filter(|_| written.is_pending()) else {
            self.wait = None;
            return written;
        };
        let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(limit)));
        if wait.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        wait.as_mut().reset(Instant::now() + limit);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.judge(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn only_a_write_without_progress_fails() {
        let (io, mut reader) = duplex(10);
        let mut writer = Patient::new(io, Limit::new(Some(Duration::from_secs(1))));
        let slow = tokio::spawn(async move {
            for _ in 0..10 {
                sleep(Duration::from_millis(900)).await;
                reader.read_exact(&mut [0; 10]).await.unwrap();
            }
            reader
        });
        let begun = Instant::now();
        writer.write_all(&[0; 110]).await.unwrap();
        let _reader = slow.await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(9));
        let error = writer.write_all(&[0; 11]).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, Duration::from_secs(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_a_write_waits() {
        let (io, _reader) = duplex(1);
        let limit = Limit::new(None);
        let mut writer = Patient::new(io, limit.clone());
        assert!(tokio::time::timeout(Duration::from_secs(100_000), writer.write_all(b"ab")).await.is_err());
        limit.shorten(Duration::from_secs(1));
        assert_eq!(writer.write_all(b"ab").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

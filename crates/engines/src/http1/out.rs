//! Bytes on their way out: as long as some wait, nothing more is read for their direction.

use crate::context::Context as Worker;
use std::io;
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;

/// Bytes that wait to be written. Holds a buffer only while there are some.
#[derive(Debug, Default)]
pub(crate) struct Out {
    buffer: Vec<u8>,
    written: usize,
}

impl Out {
    pub(crate) fn is_empty(&self) -> bool {
        self.written == self.buffer.len()
    }

    /// The buffer to append to.
    pub(crate) fn buffer(&mut self, worker: &Worker) -> &mut Vec<u8> {
        if self.buffer.capacity() == 0 {
            self.buffer = worker.buffer();
        }
        &mut self.buffer
    }

    /// Writes all; counts what was written in `sent`.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        io: &TcpStream,
        worker: &Worker,
        sent: &mut u64,
    ) -> Poll<io::Result<()>> {
        while self.written < self.buffer.len() {
            let n = match io.try_write(&self.buffer[self.written..]) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => n,
                // The socket is full: this asks to be woken.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    ready!(io.poll_write_ready(cx))?;
                    continue;
                }
                Err(e) => return Poll::Ready(Err(e)),
            };
            self.written += n;
            *sent += n as u64;
        }
        self.clear(worker);
        Poll::Ready(Ok(()))
    }

    /// Drops what was not written.
    pub(crate) fn clear(&mut self, worker: &Worker) {
        self.written = 0;
        if self.buffer.capacity() > 0 {
            worker.recycle(std::mem::take(&mut self.buffer));
        }
    }
}

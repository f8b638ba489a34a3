//! Reading from a socket into the worker's scratch.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// Reads what there is, at most `scratch` full; 0 at the end of the stream.
///
/// This is the runtime's own `poll_read`: a short read clears its readiness, so that no second system call is needed to
/// learn that nothing more is there.
pub(crate) fn poll_read(
    io: &mut TcpStream,
    cx: &mut Context<'_>,
    scratch: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(scratch);
    ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

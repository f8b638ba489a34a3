//! What the two processes say to each other. Sockets travel as ancillary data (`SCM_RIGHTS`, unix(7)).

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// What the new process says first; the number is the version of what follows.
pub(super) const GREETING: &[u8; 20] = b"wayleave takeover 1\n";
/// Comes with sockets.
pub(super) const SOCKETS: u8 = b'S';
/// There are no more sockets.
pub(super) const ALL: u8 = b'A';
/// The new process is refused; the reason follows as text.
pub(super) const REFUSED: u8 = b'N';
/// The new process serves.
pub(super) const READY: u8 = b'R';
/// The old process has heard so and drains.
pub(super) const YOURS: u8 = b'Y';
/// The old process had given the new one up.
pub(super) const TOO_LATE: u8 = b'T';

/// How long the other side may take for anything that needs no work.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Sockets of one message; the kernel takes at most 253.
const BUNDLE: usize = 64;

/// What is received is not to be inherited by other programs: at once, where the kernel can.
#[cfg(not(target_vendor = "apple"))]
const AT_ONCE: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const AT_ONCE: RecvFlags = RecvFlags::empty();

/// Sends all of `sockets`.
pub(super) async fn send(stream: &UnixStream, sockets: &[TcpListener]) -> io::Result<()> {
    for bundle in sockets.chunks(BUNDLE) {
        let fds: Vec<BorrowedFd<'_>> = bundle.iter().map(AsFd::as_fd).collect();
        stream.async_io(Interest::WRITABLE, || send_bundle(stream, &fds)).await?;
    }
    Ok(())
}

fn send_bundle(stream: &UnixStream, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BUNDLE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many sockets in one message"));
    }
    // Rust has SIGPIPE ignored, so that who is gone is an error.
    sendmsg(stream, &[IoSlice::new(&[SOCKETS])], &mut control, SendFlags::empty())?;
    Ok(())
}

/// The next byte and the sockets that came with it; no byte at the end.
pub(super) async fn receive(stream: &UnixStream) -> io::Result<(Option<u8>, Vec<TcpListener>)> {
    stream.async_io(Interest::READABLE, || receive_bundle(stream)).await
}

fn receive_bundle(stream: &UnixStream) -> io::Result<(Option<u8>, Vec<TcpListener>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BUNDLE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let got = recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, AT_ONCE)?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            for fd in fds {
                #[cfg(target_vendor = "apple")]
                rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
                sockets.push(TcpListener::from(fd));
            }
        }
    }
    Ok(((got.bytes > 0).then_some(byte[0]), sockets))
}

/// Whether the other side belongs to the user of this process.
pub(super) fn same_user(stream: &UnixStream) -> io::Result<bool> {
    Ok(stream.peer_cred()?.uid() == rustix::process::geteuid().as_raw())
}

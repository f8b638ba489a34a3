//! The new process's side.

use super::wire::{self, ALL, GREETING, PATIENCE, READY, REFUSED, SOCKETS, TOO_LATE, YOURS};
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Longest reason of a refusal that is read, in bytes.
const LONGEST_REASON: u64 = 1_000;

/// Why nothing was taken over. The running process goes on.
#[derive(Debug)]
pub struct ClaimError(String);

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClaimError {}

/// A takeover under way. Dropping it before [`Claim::ready`] leaves the running process as it was.
#[derive(Debug)]
pub struct Claim {
    stream: UnixStream,
}

/// Asks the process that waits at `path` for its listening sockets; `None` when nobody waits there. Closing them changes
/// nothing for the other process.
///
/// # Errors
/// [`ClaimError`] when the other process belongs to another user, refuses, or does not answer in time.
pub async fn claim(path: &Path) -> Result<Option<(Claim, Vec<TcpListener>)>, ClaimError> {
    let failed = |error: &dyn fmt::Display| ClaimError(format!("takeover at {}: {error}", path.display()));
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(e) => return Err(failed(&e)),
    };
    if !wire::same_user(&stream).map_err(|e| failed(&e))? {
        return Err(failed(&"the process there belongs to another user"));
    }
    let sockets = match timeout(PATIENCE, ask(&mut stream)).await {
        Ok(sockets) => sockets.map_err(|e| failed(&e))?,
        Err(_) => return Err(failed(&format!("no answer within {PATIENCE:?}"))),
    };
    Ok(Some((Claim { stream }, sockets)))
}

async fn ask(stream: &mut UnixStream) -> io::Result<Vec<TcpListener>> {
    stream.write_all(GREETING).await?;
    let mut sockets = Vec::new();
    loop {
        let (byte, new) = wire::receive(stream).await?;
        sockets.extend(new);
        match byte {
            Some(SOCKETS) => {}
            Some(ALL) => break,
            Some(REFUSED) => {
                let mut reason = String::new();
                stream.take(LONGEST_REASON).read_to_string(&mut reason).await?;
                return Err(io::Error::other(format!("the running process refuses: {reason}")));
            }
            Some(_) => return Err(io::Error::other("what listens there is no wayleave")),
            None => return Err(io::Error::other("the running process broke off")),
        }
    }
    for socket in &sockets {
        if !crate::listens(socket)? {
            return Err(io::Error::other("a socket that does not listen was handed over"));
        }
        socket.set_nonblocking(true)?;
    }
    Ok(sockets)
}

impl Claim {
    /// Tells the running process that this one serves, so that it drains.
    ///
    /// # Errors
    /// When it had given this one up and goes on: this one must end. One that has died is no error: this one serves.
    pub async fn ready(mut self) -> Result<(), ClaimError> {
        let asked = async {
            self.stream.write_all(&[READY]).await?;
            self.stream.read_u8().await
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(YOURS)) => Ok(()),
            Ok(Ok(TOO_LATE)) => {
                Err(ClaimError("the running process had stopped waiting for this one and goes on".into()))
            }
            _ => {
                // A refusal that came before the word could be written lies there still to be read.
                if let Ok(Ok(TOO_LATE)) = timeout(PATIENCE, self.stream.read_u8()).await {
                    return Err(ClaimError(
                        "the running process had stopped waiting for this one and goes on".into(),
                    ));
                }
                tracing::warn!("the process taken over from has ended before it was told");
                Ok(())
            }
        }
    }
}

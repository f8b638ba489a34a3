//! The running process's side.

use super::wire::{self, ALL, GREETING, PATIENCE, READY, REFUSED, TOO_LATE, YOURS};
use std::fs::{self, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

/// How long a new process may take to start.
const START: Duration = Duration::from_secs(60);
/// Pause after a connection that could not be accepted, for want of descriptors most likely.
const PAUSE: Duration = Duration::from_secs(1);

/// The place where a successor can ask for the sockets. Dropping it removes the socket's file, unless a successor has taken
/// over, which has put its own there.
#[derive(Debug)]
pub struct Offer {
    listener: UnixListener,
    path: PathBuf,
    given: bool,
}

impl Offer {
    /// Listens at `path`, whose folder is made if it is missing. A file nobody listens at any more is replaced.
    ///
    /// # Errors
    /// `AddrInUse` when another process listens there; else what the system says.
    pub async fn at(path: &Path) -> io::Result<Offer> {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
        }
        Offer::in_place_of(path)
    }

    /// As [`Offer::at`], in place of the process that this one has taken over from.
    ///
    /// # Errors
    /// What the system says.
    pub fn in_place_of(path: &Path) -> io::Result<Offer> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        if fs::symlink_metadata(path)
            .is_ok_and(|there| !std::os::unix::fs::FileTypeExt::is_socket(&there.file_type()))
        {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        // Made under another name and renamed, so that the path always leads to somebody who listens.
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}", std::process::id()));
        let new = PathBuf::from(new);
        let _ = fs::remove_file(&new);
        let listener = UnixListener::bind(&new)?;
        let placed =
            fs::set_permissions(&new, Permissions::from_mode(0o600)).and_then(|()| fs::rename(&new, path));
        if let Err(error) = placed {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        Ok(Offer { listener, path: path.to_owned(), given: false })
    }

    /// Waits until a successor serves on the sockets that `sockets` duplicates; after that this process should drain. Ones
    /// that are refused or do not get so far are logged and change nothing.
    pub async fn given(&mut self, sockets: impl Fn() -> io::Result<Vec<TcpListener>>) {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!("takeover: cannot accept: {error}");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            match give(stream, &sockets).await {
                Ok(()) => {
                    self.given = true;
                    return;
                }
                Err(error) => tracing::warn!("takeover: {error}; this process goes on"),
            }
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if !self.given {
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn give(mut stream: UnixStream, sockets: &impl Fn() -> io::Result<Vec<TcpListener>>) -> io::Result<()> {
    let broken = |what: &str| io::Error::other(what.to_owned());
    if !wire::same_user(&stream)? {
        return refuse(&mut stream, "it belongs to another user").await;
    }
    let mut greeting = [0; GREETING.len()];
    match timeout(PATIENCE, stream.read_exact(&mut greeting)).await {
        Ok(Ok(_)) if greeting == *GREETING => {}
        Ok(Ok(_)) => return refuse(&mut stream, "it speaks another version").await,
        // Somebody who only looked whether anybody listens here.
        Ok(Err(_)) => return Err(broken("somebody came and said nothing")),
        Err(_) => return Err(broken("the new process said nothing")),
    }
    tracing::info!("takeover: a new process asks for the sockets");
    let sending = async {
        wire::send(&stream, &sockets()?).await?;
        stream.write_all(&[ALL]).await
    };
    timeout(PATIENCE, sending).await.map_err(|_| broken("the new process takes nothing"))??;
    match timeout(START, stream.read_u8()).await {
        Ok(Ok(READY)) => {
            // One that dies now has taken over all the same: who else would serve is for others to decide.
            let _ = stream.write_all(&[YOURS]).await;
            Ok(())
        }
        Ok(_) => Err(broken("the new process gave up")),
        Err(_) => {
            let _ = stream.write_all(&[TOO_LATE]).await;
            Err(broken("the new process was not ready in time"))
        }
    }
}

async fn refuse(stream: &mut UnixStream, why: &str) -> io::Result<()> {
    let _ = stream.write_all(&[&[REFUSED], why.as_bytes()].concat()).await;
    Err(io::Error::other(format!("a process was refused: {why}")))
}

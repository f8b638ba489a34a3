//! Where this process meets the one it takes over from, and later the one that takes over from it
//! (docs/adr/0004-takeover.md).

use handover::takeover::{self, Claim, ClaimError, Offer};
use proxy::Sockets;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The meeting place of the processes of one proxy, if there is one.
#[derive(Debug)]
pub(crate) struct Meeting {
    path: Option<PathBuf>,
    /// Whether somebody has named it.
    named: bool,
}

impl Meeting {
    /// The place that was `named`; by default one that follows from the admin server's address, which only one process of a
    /// host has and which outlives changes of the configuration better than anything else.
    pub(crate) fn new(named: Option<&Path>, admin: SocketAddr) -> Meeting {
        match named {
            Some(path) => Meeting { path: Some(path.to_owned()), named: true },
            None => Meeting { path: folder().and_then(|folder| default_path(&folder, admin)), named: false },
        }
    }

    /// Takes the sockets of the process that runs; `None` when there is none.
    ///
    /// # Errors
    /// When it does not give them, or there is no place to meet.
    pub(crate) async fn claim(&self, sockets: &Sockets) -> Result<Option<Claim>, String> {
        let Some(path) = &self.path else {
            return Err(
                "--takeover: no place to meet the running process; give both `--takeover-socket PATH`".into(),
            );
        };
        match takeover::claim(path).await.map_err(|error: ClaimError| error.to_string())? {
            Some((claim, given)) => {
                tracing::info!("takeover: {} sockets received", given.len());
                sockets.give(given);
                Ok(Some(claim))
            }
            None => {
                tracing::info!("takeover: nobody at {}, starting afresh", path.display());
                Ok(None)
            }
        }
    }

    /// Waits there for a successor from now on.
    ///
    /// # Errors
    /// When that was asked for and is not possible. Where it was not asked for, it is done without, with a line in the log.
    pub(crate) async fn offer(&self) -> Result<Option<Offer>, String> {
        let Some(path) = &self.path else { return Ok(None) };
        match Offer::at(path).await {
            Ok(offer) => Ok(Some(offer)),
            Err(error) if self.named => {
                let hint = if error.kind() == io::ErrorKind::AddrInUse {
                    " (take over with --takeover)"
                } else {
                    ""
                };
                Err(format!("--takeover-socket {}: {error}{hint}", path.display()))
            }
            Err(error) => {
                tracing::info!("nobody can take over from this process: {}: {error}", path.display());
                Ok(None)
            }
        }
    }

    /// The same in place of the process that this one has taken over from. It serves now, whatever comes of this.
    pub(crate) fn offer_in_place(&self) -> Option<Offer> {
        let path = self.path.as_ref()?;
        let failed =
            |error| tracing::warn!("nobody can take over from this process: {}: {error}", path.display());
        Offer::in_place_of(path).map_err(failed).ok()
    }
}

/// Where short-lived files of this user's services belong.
fn folder() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd lists several folders with colons between them.
    let runtime = std::env::var("RUNTIME_DIRECTORY").ok().filter(|all| !all.is_empty());
    let runtime = runtime.and_then(|all| all.split(':').next().map(PathBuf::from));
    // Elsewhere, as in /tmp, others could have made it before.
    let system = || rustix::process::geteuid().is_root().then(|| PathBuf::from("/run"));
    runtime.or_else(|| named("XDG_RUNTIME_DIR")).or_else(system)
}

fn default_path(folder: &Path, admin: SocketAddr) -> Option<PathBuf> {
    // A port that the system chooses tells nobody where to look.
    (admin.port() != 0).then(|| folder.join("wayleave").join(format!("{}-{}.sock", admin.ip(), admin.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_from_the_admin_address() {
        let check = |admin: &str, expected: Option<&str>| {
            let path = default_path(Path::new("/run"), admin.parse().unwrap());
            assert_eq!(path.as_deref(), expected.map(Path::new), "{admin}");
        };
        check("127.0.0.1:9990", Some("/run/wayleave/127.0.0.1-9990.sock"));
        check("[::1]:9990", Some("/run/wayleave/::1-9990.sock"));
        check("127.0.0.1:0", None);
    }

    #[tokio::test]
    async fn a_place_that_was_named_must_be_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let admin = "127.0.0.1:9990".parse().unwrap();
        let named = Meeting::new(Some(&path), admin);
        assert!(named.claim(&Sockets::default()).await.unwrap().is_none());
        let _held = named.offer().await.unwrap().expect("offered");
        let error = named.offer().await.unwrap_err();
        assert!(error.starts_with("--takeover-socket ") && error.contains("another process"), "{error}");
        let found = Meeting { path: Some(path), named: false };
        assert!(found.offer().await.unwrap().is_none());
        let nowhere = Meeting { path: None, named: false };
        assert!(nowhere.claim(&Sockets::default()).await.unwrap_err().contains("--takeover-socket PATH"));
    }
}

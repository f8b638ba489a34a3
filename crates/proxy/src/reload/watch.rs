//! `--watch`: a configuration file that asks for a reload when it has changed.
//!
//! Followed as the files of discovery are and compared by content, so that no way of replacing a file goes unseen: written
//! in place, renamed, or reached through symbolic links that are turned (ConfigMaps). What is new must stay for a quarter of
//! a second, so that a file is not read while it is written.

use super::Reloads;
use discovery::{FileWatch, POLL_INTERVAL, Rest, Verdict};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Follows `path` for ever. `read` is what is in use.
pub(super) async fn watch(path: PathBuf, read: Vec<u8>, reloads: Reloads) {
    let mut file = FileWatch::new(path, POLL_INTERVAL);
    let mut rest = Rest::new(Some(read));
    let mut soon = None;
    while let Some(read) = file.look(soon, |path| std::fs::read(path)).await {
        soon = match read {
            Ok(content) => match rest.see(content, Instant::now(), |_| POLL_INTERVAL, Duration::MAX) {
                Verdict::Known => None,
                Verdict::Wait(wait) => Some(wait),
                Verdict::New => {
                    reloads.leave_word("the file");
                    None
                }
            },
            // It is about to be replaced, or lost: either way there is nothing to go over to.
            Err(_) => Some(POLL_INTERVAL),
        };
    }
}

//! `--watch`: a configuration file that asks for a reload when it has changed.
//!
//! Looked at by polling and compared by content, as the files of discovery are, so that no way of replacing a file goes
//! unseen: written in place, renamed, or reached through symbolic links that are turned (ConfigMaps). What is new must
//! be there twice in a row, so that a file is not read while it is written.

use super::Reloads;
use discovery::POLL_INTERVAL;
use std::path::PathBuf;

/// Looks at `path` four times a second for ever. `read` is what is in use.
pub(super) async fn watch(path: PathBuf, read: Vec<u8>, reloads: Reloads) {
    let mut looks = tokio::time::interval(POLL_INTERVAL);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = Seen::new(read);
    loop {
        looks.tick().await;
        // A file that cannot be read is about to be replaced, or lost: either way there is nothing to go over to.
        if let Ok(content) = read_file(path.clone()).await
            && seen.look(content)
        {
            reloads.leave_word("the file");
        }
    }
}

async fn read_file(path: PathBuf) -> std::io::Result<Vec<u8>> {
    tokio::task::spawn_blocking(move || std::fs::read(path)).await?
}

/// What was seen of a file.
struct Seen {
    /// What was last asked for, well or not.
    tried: Vec<u8>,
    /// What is there instead since the last look.
    candidate: Option<Vec<u8>>,
}

impl Seen {
    fn new(tried: Vec<u8>) -> Seen {
        Seen { tried, candidate: None }
    }

    /// Whether what is there now is to be tried.
    fn look(&mut self, content: Vec<u8>) -> bool {
        if content == self.tried {
            self.candidate = None;
            return false;
        }
        if self.candidate.as_ref() != Some(&content) {
            self.candidate = Some(content);
            return false;
        }
        self.candidate = None;
        self.tried = content;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_and_at_rest_is_tried_once() {
        let mut seen = Seen::new(b"a".to_vec());
        let looks = ["a", "a", "b", "b", "b", "c1", "c12", "c123", "c123", "c123", "b", "c123", "a", "a"];
        let tried: Vec<_> = looks.iter().filter(|text| seen.look(text.as_bytes().to_vec())).collect();
        assert_eq!(tried, [&"b", &"c123", &"a"]);
    }
}

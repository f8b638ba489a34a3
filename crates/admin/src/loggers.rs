//! What `/logging.json` shows and sets (observability.md §6.2).

use std::fmt;

/// The loggers of a process.
pub trait Loggers: fmt::Debug + Send + Sync {
    /// Each logger with its level (`INFO`), an inherited one where it has none of its own: `root` first, the others by
    /// name.
    fn levels(&self) -> Vec<(String, String)>;

    /// Sets the level of a logger; `root` is the one all others inherit from. An unknown logger or level changes nothing.
    fn set(&self, logger: &str, level: &str);
}

//! `io.l5d.static`: one name for all requests.

use names::Path;

/// The identifier `io.l5d.static`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticName(Path);

impl StaticName {
    /// The identifier that calls every request `path`.
    #[must_use]
    pub const fn new(path: Path) -> StaticName {
        StaticName(path)
    }

    pub(super) const fn path(&self) -> &Path {
        &self.0
    }
}

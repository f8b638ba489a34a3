//! `io.l5d.header`: the value of a header is a path, the name's end.

use super::{HeaderToken, Unnamed};
use crate::seam::Head;
use names::PathBuilder;

/// The identifier `io.l5d.header`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderPath(HeaderToken);

impl HeaderPath {
    /// The identifier on this header (`l5d-name`), spelt as it is to appear in messages.
    #[must_use]
    pub fn new(header: &[u8]) -> HeaderPath {
        HeaderPath(HeaderToken::new(header))
    }

    pub(super) fn push(&self, head: &impl Head, name: &mut PathBuilder) -> Result<(), Unnamed> {
        let value = self.0.value(head)?;
        name.push_parsed(value).map_err(|error| Unnamed::Faulty(error.to_string()))
    }

    pub(super) fn reason(&self) -> String {
        self.0.reason()
    }
}

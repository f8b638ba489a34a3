//! `io.l5d.header.token`: the value of a header is the last element of the name, as it is.

use super::Unnamed;
use crate::header::{Known, Name};
use crate::seam::Head;
use crate::text;
use names::PathBuilder;

/// The identifier `io.l5d.header.token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderToken {
    header: Box<[u8]>,
    known: Option<Known>,
}

impl HeaderToken {
    /// The identifier on this header (`Host`), spelt as it is to appear in messages.
    #[must_use]
    pub fn new(header: &[u8]) -> HeaderToken {
        HeaderToken { header: header.into(), known: Known::classify(header) }
    }

    /// The header's value in a request; absent and empty are the same.
    pub(super) fn value<'h>(&self, head: &'h impl Head) -> Result<&'h [u8], Unnamed> {
        let name = self.known.map_or(Name::Other(&self.header), Name::Known);
        head.get(name).filter(|value| !value.is_empty()).ok_or(Unnamed::Passed)
    }

    pub(super) fn push(&self, head: &impl Head, name: &mut PathBuilder) -> Result<(), Unnamed> {
        name.push(self.value(head)?);
        Ok(())
    }

    pub(super) fn reason(&self) -> String {
        format!("{} header is absent", text::readable(&self.header))
    }
}

impl Default for HeaderToken {
    fn default() -> HeaderToken {
        HeaderToken::new(b"Host")
    }
}

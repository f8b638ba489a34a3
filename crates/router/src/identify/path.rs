//! `io.l5d.path`: the first segments of the target's path.

use super::Unnamed;
use crate::seam::RequestHead;
use names::PathBuilder;

/// Why it passes a request on.
pub(super) const REASON: &str = "not enough segments in path";

/// What Linkerd says of a segment that is empty, which no name can hold.
const EMPTY: &str = "requirement failed";

/// The identifier `io.l5d.path`. Segments are taken as they stand, escapes and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathSegments {
    /// How many segments (`segments`, 1).
    pub segments: usize,
    /// Whether they are taken off the target that is sent on (`consume`, false).
    pub consume: bool,
}

impl PathSegments {
    pub(super) fn push(
        &self,
        head: &mut impl RequestHead,
        name: &mut PathBuilder,
        scratch: &mut Vec<u8>,
    ) -> Result<(), Unnamed> {
        let (path, query) = without_query(head.target());
        let rest = self.split(path, name)?;
        if self.consume {
            scratch.clear();
            scratch.extend_from_slice(if rest.is_empty() { b"/" } else { rest });
            scratch.extend_from_slice(query);
            head.set_target(scratch);
        }
        Ok(())
    }

    /// Adds the segments to `name` and gives what follows them.
    fn split<'p>(&self, path: &'p [u8], name: &mut PathBuilder) -> Result<&'p [u8], Unnamed> {
        // Slashes at the end end no segment, and what stands before the first slash is none.
        let end = path.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
        let begin = path[..end].iter().position(|&b| b == b'/').unwrap_or(end);
        let segments = || path[begin..end].split(|&b| b == b'/').skip(1).take(self.segments);
        if segments().count() < self.segments {
            return Err(Unnamed::Passed);
        }
        let mut used = begin;
        for segment in segments() {
            if segment.is_empty() {
                return Err(Unnamed::Broken(EMPTY.to_owned()));
            }
            name.push(segment);
            used += 1 + segment.len();
        }
        Ok(&path[used..])
    }
}

/// Splits a target before its `?`.
pub(super) fn without_query(target: &[u8]) -> (&[u8], &[u8]) {
    target.split_at(target.iter().position(|&b| b == b'?').unwrap_or(target.len()))
}

//! Heads of HTTP/1 messages: the bytes as they came, an index of their lines, and the edits made to them.
//!
//! A head is never turned into a map. Lines are classified once while they are indexed; a line is removed by a flag and
//! added behind the others; writing the head copies runs of untouched lines whole. All buffers are kept from message to
//! message, so a steady request allocates nothing here.

use router::header::{Known, Name};
use router::seam::{Head, RequestHead, ResponseHead, Version};
use std::fmt;
use std::ops::Range;

/// A line of the head as it was received.
#[derive(Clone, Copy, Debug)]
struct Line {
    name: u32,
    name_end: u32,
    value: u32,
    value_end: u32,
    /// Offset behind the line's CRLF.
    end: u32,
    known: Option<Known>,
    live: bool,
    /// The line reads exactly `name: value CRLF`, so it may be copied as it is.
    clean: bool,
}

/// A line the proxy added; its text stands in `extra` as it goes on the wire.
#[derive(Clone, Copy, Debug)]
struct Added {
    name: u32,
    value: u32,
    value_end: u32,
    known: Option<Known>,
    live: bool,
}

/// Head of a request or a response.
#[derive(Debug, Default)]
pub(crate) struct HeadBuf {
    bytes: Vec<u8>,
    lines: Vec<Line>,
    extra: Vec<u8>,
    added: Vec<Added>,
    /// One bit for each known field that is present.
    present: u64,
    /// One bit for each known field that was received on more than one line.
    repeated: u64,
    mark: Mark,
    start: StartLine,
    /// The target as it shall be sent, where it differs from the one received: `retargeted`.
    target: Vec<u8>,
    retargeted: bool,
    /// Lines that went since the mark: their places in `lines` and, counted on, in `added`.
    gone: Vec<usize>,
    /// Of a response: what its framing says of the body's length.
    pub(crate) length: Option<u64>,
    /// Of a response: its body comes in chunks.
    pub(crate) chunked: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mark {
    set: bool,
    extra: usize,
    added: usize,
    present: u64,
}

#[derive(Debug, Clone, Copy)]
struct StartLine {
    /// Length without CRLF, counted from the first byte.
    len: u32,
    method_len: u32,
    target: u32,
    target_end: u32,
    status: u16,
    version: Version,
}

impl Default for StartLine {
    fn default() -> Self {
        StartLine { len: 0, method_len: 0, target: 0, target_end: 0, status: 0, version: Version::Http11 }
    }
}

/// Most lines a head may have. `maxHeadersKB` ends it sooner for all but empty ones.
const MOST_LINES: usize = 1024;

/// Why a head was refused; the text is for the log and, of a response, for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// Not HTTP/1.0 or HTTP/1.1 as RFC 9112 defines it.
    Malformed(&'static str),
    /// A line ended with a bare LF, the seed of request smuggling.
    BareLineFeed,
    /// The first line is longer than the limit.
    LineTooLong,
    /// The header lines together are longer than the limit.
    HeadersTooLong,
    /// More lines than [`MOST_LINES`].
    TooManyLines,
}

impl HeadError {
    /// Status of the answer to a request with such a head (dataplane.md §4.3).
    pub(crate) fn status(self) -> u16 {
        match self {
            HeadError::Malformed(_) | HeadError::BareLineFeed => 400,
            HeadError::LineTooLong => 414,
            HeadError::HeadersTooLong | HeadError::TooManyLines => 431,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeadError::Malformed(why) => f.write_str(why),
            HeadError::BareLineFeed => f.write_str("a line ends with a bare LF"),
            HeadError::LineTooLong => f.write_str("the first line is too long"),
            HeadError::HeadersTooLong => f.write_str("the header lines are too long"),
            HeadError::TooManyLines => write!(f, "more than {MOST_LINES} header lines"),
        }
    }
}

const fn bit(k: Known) -> u64 {
    1 << (k as u8)
}

fn offset(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

fn range(from: u32, to: u32) -> Range<usize> {
    from as usize..to as usize
}

impl HeadBuf {
    /// Forgets the message; buffers stay.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
        self.extra.clear();
        self.added.clear();
        (self.present, self.repeated) = (0, 0);
        self.mark = Mark::default();
        self.target.clear();
        self.retargeted = false;
        self.gone.clear();
        (self.length, self.chunked) = (None, false);
    }

    /// Whether a known field came on more than one line.
    pub(crate) fn repeats(&self, name: Known) -> bool {
        self.repeated & bit(name) != 0
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        let lines = self.lines.capacity() * size_of::<Line>();
        self.bytes.capacity() + self.extra.capacity() + self.target.capacity() + lines
    }

    /// Appends the head to `out` without its empty line, so that the engine can add the framing.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        if self.retargeted {
            out.extend_from_slice(self.method());
            out.push(b' ');
            out.extend_from_slice(&self.target);
            out.extend_from_slice(&self.bytes[range(self.start.target_end, self.start.len)]);
        } else {
            out.extend_from_slice(&self.bytes[..self.start.len as usize]);
        }
        out.extend_from_slice(b"\r\n");
        self.write_lines(out);
        self.write_added(out);
    }

    fn write_lines(&self, out: &mut Vec<u8>) {
        let mut run: Option<(u32, u32)> = None;
        for line in &self.lines {
            if line.live && line.clean {
                run = match run {
                    Some((from, to)) if to == line.name => Some((from, line.end)),
                    Some((from, to)) => {
                        out.extend_from_slice(&self.bytes[range(from, to)]);
                        Some((line.name, line.end))
                    }
                    None => Some((line.name, line.end)),
                };
                continue;
            }
            if let Some((from, to)) = run.take() {
                out.extend_from_slice(&self.bytes[range(from, to)]);
            }
            if line.live {
                push_line(out, &self.bytes[range(line.name, line.name_end)], self.value(line));
            }
        }
        if let Some((from, to)) = run {
            out.extend_from_slice(&self.bytes[range(from, to)]);
        }
    }

    fn write_added(&self, out: &mut Vec<u8>) {
        if self.added.iter().all(|a| a.live) {
            out.extend_from_slice(&self.extra);
            return;
        }
        for a in self.added.iter().filter(|a| a.live) {
            out.extend_from_slice(&self.extra[range(a.name, a.value_end + 2)]);
        }
    }

    fn value(&self, line: &Line) -> &[u8] {
        &self.bytes[range(line.value, line.value_end)]
    }

    /// Values of all lines of a field, received ones first.
    pub(crate) fn values<'a>(&'a self, name: Name<'a>) -> impl Iterator<Item = &'a [u8]> + 'a {
        let known = match name {
            Name::Known(k) => Some(k),
            Name::Other(_) => None,
        };
        let absent = known.is_some_and(|k| self.present & bit(k) == 0);
        let received = self.lines.iter().take_while(move |_| !absent);
        let received = received
            .filter(move |l| l.live && self.is(l.known, &self.bytes[range(l.name, l.name_end)], name))
            .map(|l| self.value(l));
        let added = self.added.iter().take_while(move |_| !absent);
        let added = added
            .filter(move |a| a.live && self.is(a.known, self.added_name(a), name))
            .map(|a| &self.extra[range(a.value, a.value_end)]);
        received.chain(added)
    }

    fn added_name(&self, a: &Added) -> &[u8] {
        &self.extra[range(a.name, a.value - 2)]
    }

    fn is(&self, known: Option<Known>, text: &[u8], name: Name<'_>) -> bool {
        match name {
            Name::Known(k) => known == Some(k),
            Name::Other(other) => {
                debug_assert_eq!(Known::classify(other), None, "never found by that name");
                known.is_none() && text.eq_ignore_ascii_case(other)
            }
        }
    }
}

fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

impl Head for HeadBuf {
    fn get(&self, name: Name<'_>) -> Option<&[u8]> {
        match name {
            Name::Known(k) if self.present & bit(k) == 0 => None,
            Name::Known(k) => {
                self.lines.iter().find(|l| l.live && l.known == Some(k)).map(|l| self.value(l)).or_else(
                    || {
                        let added = self.added.iter().find(|a| a.live && a.known == Some(k))?;
                        Some(&self.extra[range(added.value, added.value_end)])
                    },
                )
            }
            Name::Other(text) => self
                .lines
                .iter()
                .find(|l| {
                    l.live && self.is(l.known, &self.bytes[range(l.name, l.name_end)], Name::Other(text))
                })
                .map(|l| self.value(l))
                .or_else(|| {
                    let found = |a: &&Added| a.live && self.is(a.known, self.added_name(a), name);
                    let added = self.added.iter().find(found)?;
                    Some(&self.extra[range(added.value, added.value_end)])
                }),
        }
    }

    fn each(&self, name: Name<'_>, f: &mut dyn FnMut(&[u8])) {
        self.values(name).for_each(f);
    }

    fn has(&self, name: Known) -> bool {
        self.present & bit(name) != 0
    }

    fn lines(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        for line in self.lines.iter().filter(|l| l.live) {
            f(&self.bytes[range(line.name, line.name_end)], self.value(line));
        }
        for added in self.added.iter().filter(|a| a.live) {
            f(self.added_name(added), &self.extra[range(added.value, added.value_end)]);
        }
    }

    fn remove(&mut self, name: Name<'_>) {
        match name {
            Name::Known(k) if self.present & bit(k) == 0 => {}
            Name::Known(k) => {
                self.present &= !bit(k);
                self.strike(|known, _| known == Some(k));
            }
            Name::Other(other) => {
                self.strike(|known, text| known.is_none() && text.eq_ignore_ascii_case(other));
            }
        }
    }

    fn remove_prefix(&mut self, prefix: &[u8]) {
        let begins = |text: &[u8]| text.get(..prefix.len()).is_some_and(|t| t.eq_ignore_ascii_case(prefix));
        let mut present = self.present;
        for k in Known::ALL.iter().filter(|k| begins(k.text().as_bytes())) {
            present &= !bit(*k);
        }
        self.present = present;
        self.strike(|_, text| begins(text));
    }

    fn append(&mut self, name: Name<'_>, value: &[u8]) {
        let at = self.extra.len();
        push_line(&mut self.extra, name.text(), value);
        let known = match name {
            Name::Known(k) => {
                self.present |= bit(k);
                Some(k)
            }
            Name::Other(_) => None,
        };
        let value_end = offset(self.extra.len() - 2);
        let value = value_end - offset(value.len());
        self.added.push(Added { name: offset(at), value, value_end, known, live: true });
    }

    fn extend_last(&mut self, name: Name<'_>, suffix: &[u8]) {
        let mut value: Vec<u8> = match self.values(name).last() {
            None => return self.append(name, suffix),
            Some(value) => value.to_vec(),
        };
        value.extend_from_slice(b", ");
        value.extend_from_slice(suffix);
        self.drop_last(name);
        self.append(name, &value);
    }

    fn version(&self) -> Version {
        self.start.version
    }
}

impl HeadBuf {
    /// Takes out the lines that `matches` (by known field and name); what goes behind the mark is remembered.
    fn strike(&mut self, matches: impl Fn(Option<Known>, &[u8]) -> bool) {
        let HeadBuf { lines, added, bytes, extra, gone, mark, .. } = self;
        for (i, l) in lines.iter_mut().enumerate() {
            if l.live && matches(l.known, &bytes[range(l.name, l.name_end)]) {
                l.live = false;
                if mark.set {
                    gone.push(i);
                }
            }
        }
        let received = lines.len();
        for (i, a) in added.iter_mut().enumerate() {
            if a.live && matches(a.known, &extra[range(a.name, a.value - 2)]) {
                a.live = false;
                if mark.set {
                    gone.push(received + i);
                }
            }
        }
    }

    /// Removes the last live line of a field. Not to be used behind a mark.
    fn drop_last(&mut self, name: Name<'_>) {
        debug_assert!(!self.mark.set, "behind a mark lines are replaced as a whole");
        let found = (0..self.added.len()).rev().find(|&i| {
            self.added[i].live && self.is(self.added[i].known, self.added_name(&self.added[i]), name)
        });
        if let Some(i) = found {
            self.added[i].live = false;
            return;
        }
        let line_name = |l: &Line| &self.bytes[range(l.name, l.name_end)];
        let found = (0..self.lines.len())
            .rev()
            .find(|&i| self.lines[i].live && self.is(self.lines[i].known, line_name(&self.lines[i]), name));
        if let Some(i) = found {
            self.lines[i].live = false;
        }
    }
}

impl RequestHead for HeadBuf {
    fn method(&self) -> &[u8] {
        &self.bytes[..self.start.method_len as usize]
    }

    fn target(&self) -> &[u8] {
        if self.retargeted { &self.target } else { self.received_target() }
    }

    fn received_target(&self) -> &[u8] {
        &self.bytes[range(self.start.target, self.start.target_end)]
    }

    fn set_target(&mut self, target: &[u8]) {
        self.target.clear();
        self.target.extend_from_slice(target);
        self.retargeted = true;
    }

    fn mark(&mut self) {
        self.mark =
            Mark { set: true, extra: self.extra.len(), added: self.added.len(), present: self.present };
        self.gone.clear();
    }

    fn rewind(&mut self) {
        self.extra.truncate(self.mark.extra);
        self.added.truncate(self.mark.added);
        self.present = self.mark.present;
        let received = self.lines.len();
        for i in self.gone.drain(..) {
            match i.checked_sub(received) {
                None => self.lines[i].live = true,
                // Lines added behind the mark are gone for good.
                Some(i) => self.added.get_mut(i).into_iter().for_each(|a| a.live = true),
            }
        }
    }
}

impl ResponseHead for HeadBuf {
    fn status(&self) -> u16 {
        self.start.status
    }

    fn length(&self) -> Option<u64> {
        self.length
    }

    fn is_chunked(&self) -> bool {
        self.chunked
    }
}

mod parse;
pub(crate) use parse::{Message, is_field_line};
#[cfg(test)]
mod tests;

//! The engine's reading without its sockets: from the bytes of a connection to messages, for tests and fuzzing.

use super::body::{Decoder, Encoding};
use super::framing::{self, Body};
use super::head::{self, HeadBuf, HeadError};
use super::scan::{Limits, Scanner, empty_lines};
use router::header::Known;
use router::seam::Head;

/// A message whose head was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The head as it came.
    pub(crate) raw: Vec<u8>,
    /// The head as it would be sent on, without its framing.
    pub(crate) written: Vec<u8>,
    pub(crate) framing: Body,
    pub(crate) keep_alive: bool,
    /// What there was of the body.
    pub(crate) data: Vec<u8>,
    /// Whether that was all of it.
    pub(crate) whole: bool,
}

/// What a reader made of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) messages: Vec<Message>,
    /// Why nothing more was read.
    pub(crate) fault: Option<String>,
    /// Bytes that wait for more.
    pub(crate) left: usize,
}

/// Reads messages as the engine does: requests, or the responses to GET.
pub(crate) struct Reader {
    requests: bool,
    limits: Limits,
    input: Vec<u8>,
    scanner: Scanner,
    begun: bool,
    decoder: Decoder,
    read: Read,
}

impl Reader {
    /// Reads what arrives in these pieces, up to the first fault. That a message asks for the connection's end is noted
    /// and not obeyed.
    pub(crate) fn read(requests: bool, limits: Limits, pieces: &[&[u8]]) -> Read {
        let mut reader = Reader {
            requests,
            limits,
            input: Vec::new(),
            scanner: Scanner::default(),
            begun: false,
            decoder: Decoder::Done,
            read: Read::default(),
        };
        for piece in pieces {
            reader.input.extend_from_slice(piece);
            while reader.step() {}
            if reader.read.fault.is_some() {
                reader.input.clear();
                break;
            }
        }
        reader.read.left = reader.input.len();
        reader.read
    }

    /// One head or one piece of a body; false when more bytes are wanted.
    fn step(&mut self) -> bool {
        if !self.decoder.is_done() {
            return self.body();
        }
        if self.requests && !self.begun {
            self.input.drain(..empty_lines(&self.input));
            if self.input.is_empty() || self.input == b"\r" {
                return false;
            }
        }
        self.begun = true;
        let mut head = HeadBuf::default();
        match head.read(kind(self.requests), &mut self.scanner, &self.input, self.limits) {
            Ok(None) => false,
            Ok(Some(n)) => {
                self.begun = false;
                let raw: Vec<u8> = self.input.drain(..n).collect();
                self.head(head, raw)
            }
            Err(e) => self.fault(&e.to_string()),
        }
    }

    fn body(&mut self) -> bool {
        let Some(message) = self.read.messages.last_mut() else { return false };
        match self.decoder.transfer(&self.input, Encoding::Plain, &mut message.data) {
            Ok(used) => {
                self.input.drain(..used);
                message.whole = self.decoder.is_done();
                message.whole
            }
            Err(e) => self.fault(e.0),
        }
    }

    fn head(&mut self, mut head: HeadBuf, raw: Vec<u8>) -> bool {
        let framed = if self.requests {
            framing::of_request(&mut head).map(|f| (f.body, f.keep_alive))
        } else {
            framing::of_response(&mut head, b"GET").map(|f| (f.body, f.keep_alive))
        };
        let (framing, keep_alive) = match framed {
            Ok(framed) => framed,
            Err(e) => return self.fault(e),
        };
        assert!(!head.has(Known::TransferEncoding));
        let mut written = Vec::new();
        head.write_to(&mut written);
        self.decoder = Decoder::new(framing);
        let whole = self.decoder.is_done();
        self.read.messages.push(Message { raw, written, framing, keep_alive, data: Vec::new(), whole });
        true
    }

    fn fault(&mut self, text: &str) -> bool {
        self.read.fault = Some(text.to_owned());
        false
    }
}

fn kind(requests: bool) -> head::Message {
    if requests { head::Message::Request } else { head::Message::Response }
}

impl HeadBuf {
    /// Takes over the head of a request, which must be whole.
    pub(crate) fn parse_request(&mut self, bytes: &[u8]) -> Result<(), HeadError> {
        self.parse_whole(true, bytes)
    }

    /// Takes over the head of a response, which must be whole.
    pub(crate) fn parse_response(&mut self, bytes: &[u8]) -> Result<(), HeadError> {
        self.parse_whole(false, bytes)
    }

    fn parse_whole(&mut self, requests: bool, bytes: &[u8]) -> Result<(), HeadError> {
        let limits = Limits { initial_line: 1 << 20, headers: 1 << 20 };
        match self.read(kind(requests), &mut Scanner::default(), bytes, limits)? {
            Some(n) if n == bytes.len() => Ok(()),
            _ => Err(HeadError::Malformed("not one whole head")),
        }
    }
}

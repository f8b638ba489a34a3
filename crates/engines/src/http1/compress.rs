//! Compresses an answer's body, whole or piece by piece, and bounds what compressors hold.

use super::body::{Encoding, Sink};
use super::coding::Coding;
use flate2::{Compress, FlushCompress, Status};
use std::rc::Rc;

/// Compressors one worker may have; each holds about 270 KB. An answer that finds none goes out as it is.
const MOST: usize = 32;
/// Compressors kept for the next answers.
const MOST_SPARE: usize = 4;
/// Room that is made for output at a time.
const ROOM: usize = 4 << 10;

/// A content coding at work.
#[derive(Debug)]
pub(crate) struct Compressor {
    stream: Compress,
    coding: Coding,
    level: u8,
    /// Output on its way into chunks.
    piece: Vec<u8>,
    /// Bytes were taken that a flush would bring out.
    unflushed: bool,
    /// One of the worker's count.
    _one: Rc<()>,
}

impl Compressor {
    fn new(coding: Coding, level: u8, count: &Rc<()>) -> Compressor {
        let strength = flate2::Compression::new(level.into());
        let stream = match coding {
            Coding::Gzip => Compress::new_gzip(strength, 15),
            Coding::Deflate => Compress::new(strength, true),
        };
        Compressor { stream, coding, level, piece: Vec::new(), unflushed: false, _one: count.clone() }
    }

    /// Compresses a whole body.
    pub(crate) fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) {
        run(&mut self.stream, body, FlushCompress::Finish, out);
    }

    /// Whether what was taken has not come out yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.unflushed
    }

    /// Brings out all that was taken, so that the caller can read it.
    pub(crate) fn flush(&mut self, encoding: Encoding, out: &mut Vec<u8>) {
        self.unflushed = false;
        self.feed(&[], FlushCompress::Sync, encoding, out);
    }

    fn feed(&mut self, bytes: &[u8], flush: FlushCompress, mut encoding: Encoding, out: &mut Vec<u8>) {
        run(&mut self.stream, bytes, flush, &mut self.piece);
        encoding.piece(&self.piece, out);
        self.piece.clear();
    }
}

/// Runs all of `input` through the stream and what `flush` asks for out of it.
fn run(stream: &mut Compress, mut input: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    loop {
        out.reserve(ROOM);
        let before = stream.total_in();
        let status = stream.compress_vec(input, out, flush).expect("the stream is not used behind its end");
        input = &input[(stream.total_in() - before) as usize..];
        // Output that did not fill the room is all there is.
        let drained = out.len() < out.capacity();
        match flush {
            FlushCompress::Finish if status == Status::StreamEnd => return,
            FlushCompress::Finish => {}
            _ if input.is_empty() && drained => return,
            _ => {}
        }
    }
}

/// A body that is compressed on its way out.
pub(crate) struct Compressed<'a>(pub(crate) &'a mut Compressor, pub(crate) Encoding);

impl Sink for Compressed<'_> {
    fn piece(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if !bytes.is_empty() {
            self.0.unflushed = true;
            self.0.feed(bytes, FlushCompress::None, self.1, out);
        }
    }

    fn end(&mut self, trailers: &[u8], out: &mut Vec<u8>) {
        self.0.unflushed = false;
        self.0.feed(&[], FlushCompress::Finish, self.1, out);
        self.1.end(trailers, out);
    }
}

/// A worker's compressors: made when they are needed, kept for a while, never more than [`MOST`].
#[derive(Debug, Default)]
pub(crate) struct Compressors {
    /// As many clones as there are compressors, wherever they are.
    count: Rc<()>,
    #[expect(clippy::vec_box, reason = "the boxes themselves are what is recycled")]
    spare: Vec<Box<Compressor>>,
}

impl Compressors {
    /// One that is ready to begin; `None` when there are too many already.
    pub(crate) fn take(&mut self, coding: Coding, level: u8) -> Option<Box<Compressor>> {
        if let Some(at) = self.spare.iter().position(|c| c.coding == coding && c.level == level) {
            return Some(self.spare.swap_remove(at));
        }
        if self.made() >= MOST && self.spare.pop().is_none() {
            return None;
        }
        Some(Box::new(Compressor::new(coding, level, &self.count)))
    }

    fn made(&self) -> usize {
        Rc::strong_count(&self.count) - 1
    }

    /// Takes one back, whatever it was doing.
    pub(crate) fn give(&mut self, mut compressor: Box<Compressor>) {
        if self.spare.len() < MOST_SPARE {
            compressor.stream.reset();
            compressor.piece.clear();
            compressor.unflushed = false;
            self.spare.push(compressor);
        }
    }

    /// Frees some of those nobody uses. Run about once a second.
    pub(crate) fn trim(&mut self) {
        self.spare.truncate(self.spare.len() / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let read = match coding {
            Coding::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out),
            Coding::Deflate => flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out),
        };
        read.expect("a whole stream");
        out
    }

    fn text(len: usize) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(7);
        (0..len).map(|i| if i % 3 == 0 { rng.alphanumeric() as u8 } else { b'a' }).collect()
    }

    #[test]
    fn bodies_come_back_as_they_were() {
        let mut all = Compressors::default();
        for coding in [Coding::Gzip, Coding::Deflate] {
            for len in [0, 1, 10, 4095, 4096, 5000, 300_000] {
                let body = text(len);
                let mut compressor = all.take(coding, 6).expect("there is room");
                let mut whole = Vec::new();
                compressor.whole(&body, &mut whole);
                assert_eq!(decoded(coding, &whole), body, "{coding:?} {len}");
                all.give(compressor);

                // The same compressor again, in pieces, with a flush behind some of them.
                let mut compressor = all.take(coding, 6).expect("there is room");
                let mut out = Vec::new();
                for (i, piece) in body.chunks(1 << 12).enumerate() {
                    Compressed(&mut compressor, Encoding::Plain).piece(piece, &mut out);
                    if i % 2 == 0 {
                        assert!(compressor.is_behind());
                        compressor.flush(Encoding::Plain, &mut out);
                        assert!(!compressor.is_behind());
                    }
                }
                Compressed(&mut compressor, Encoding::Plain).end(b"", &mut out);
                assert_eq!(decoded(coding, &out), body, "{coding:?} {len} in pieces");
                all.give(compressor);
            }
        }
        assert_eq!(all.made(), 2);
    }

    /// All that was taken can be read after a flush, and a flush of nothing is nothing.
    #[test]
    fn a_flush_brings_everything_out() {
        let mut all = Compressors::default();
        let mut compressor = all.take(Coding::Deflate, 6).expect("there is room");
        let mut out = Vec::new();
        for word in ["one", "two", "three"] {
            Compressed(&mut compressor, Encoding::Plain).piece(word.as_bytes(), &mut out);
            compressor.flush(Encoding::Plain, &mut out);
            let mut reader = flate2::read::ZlibDecoder::new(out.as_slice());
            let mut seen = Vec::new();
            let mut block = [0; 64];
            while let Ok(n) = reader.read(&mut block)
                && n > 0
            {
                seen.extend_from_slice(&block[..n]);
            }
            assert!(seen.ends_with(word.as_bytes()), "{word}: {seen:?}");
        }
    }

    #[test]
    fn there_are_never_too_many() {
        let mut all = Compressors::default();
        let mut held: Vec<_> = (0..MOST).map(|_| all.take(Coding::Gzip, 6).expect("there is room")).collect();
        assert!(all.take(Coding::Gzip, 6).is_none());
        all.give(held.pop().expect("one"));
        assert!(all.take(Coding::Deflate, 1).is_some(), "a spare one of another kind makes room");
        drop(held.pop());
        assert!(all.take(Coding::Gzip, 6).is_some(), "one that was lost is not counted");
        drop(held);
        for _ in 0..8 {
            all.trim();
        }
        assert_eq!(all.made(), 0);
    }
}

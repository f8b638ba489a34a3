//! Where both directions of an attempt stand.

use super::body::{Decoder, Encoding};
use super::compress::Compressor;
use super::framing::{Body, ResponseFraming};
use super::out::Out;
use super::scan::Scanner;
use super::stall::Progress;
use crate::context::Context as Worker;

/// Both directions of an exchange.
#[derive(Default)]
pub(crate) struct Flow {
    pub(crate) upload: Upload,
    pub(super) download: Download,
    /// When something last moved, in either direction.
    pub(super) progress: Progress,
}

/// The request's way to the back end.
pub(crate) struct Upload {
    /// What is still to come from the caller; done for requests that are held whole.
    pub(crate) decoder: Decoder,
    pub(super) encoding: Encoding,
    pub(super) out: Out,
    /// Bytes of a body that is held whole that were put in line.
    pub(super) queued: usize,
    /// The caller waits for leave to send its body.
    pub(crate) continue_due: bool,
    /// Body bytes were taken from the caller, so that the request cannot be sent again.
    pub(super) begun: bool,
    /// The back end takes no more.
    pub(super) broken: bool,
    /// What the connection had sent before this attempt.
    pub(super) sent_before: u64,
}

impl Default for Upload {
    fn default() -> Self {
        Upload {
            decoder: Decoder::Done,
            encoding: Encoding::Plain,
            out: Out::default(),
            queued: 0,
            continue_due: false,
            begun: false,
            broken: false,
            sent_before: 0,
        }
    }
}

/// The answer's way to the caller.
pub(super) struct Download {
    pub(super) stage: Stage,
    pub(super) scanner: Scanner,
    /// Interim replies so far.
    pub(super) interim: u32,
    /// An unfinished head.
    pub(super) partial: Vec<u8>,
    /// The framing of an answer that is held, and what came of its body; of `held` the first `passed` bytes were written on.
    pub(super) framed: ResponseFraming,
    pub(super) held: Vec<u8>,
    pub(super) passed: usize,
    pub(super) decoder: Decoder,
    pub(super) encoding: Encoding,
    pub(super) compressor: Option<Box<Compressor>>,
    pub(super) out: Out,
    pub(super) keep_upstream: bool,
    pub(super) keep_caller: bool,
    /// Only the end of the caller's connection ends the answer.
    pub(super) until_close: bool,
    /// The back end sent something behind its answer.
    pub(super) excess: bool,
    /// The answer broke its coding: what came before is still written.
    pub(super) cut: bool,
}

impl Default for Download {
    fn default() -> Self {
        Download {
            stage: Stage::Head,
            scanner: Scanner::default(),
            interim: 0,
            partial: Vec::new(),
            framed: ResponseFraming { body: Body::None, keep_alive: false },
            held: Vec::new(),
            passed: 0,
            decoder: Decoder::Done,
            encoding: Encoding::Plain,
            compressor: None,
            out: Out::default(),
            keep_upstream: false,
            keep_caller: false,
            until_close: false,
            excess: false,
            cut: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Head,
    /// The head is here, and the body is held until it is whole.
    Hold,
    Body,
}

impl Flow {
    pub(crate) fn clear(&mut self, worker: &Worker) {
        self.upload.out.clear(worker);
        self.download.out.clear(worker);
        let Download { partial, held, compressor, .. } = std::mem::take(&mut self.download);
        self.upload = Upload::default();
        self.progress = Progress::default();
        worker.recycle(partial);
        worker.recycle(held);
        if let Some(compressor) = compressor {
            worker.compressors.borrow_mut().give(compressor);
        }
    }

    /// Prepares the request's way: `body` is what is to come from the caller.
    pub(crate) fn begin(&mut self, body: Body, continue_due: bool) {
        self.upload.decoder = Decoder::new(body);
        self.upload.encoding = if body == Body::Chunked { Encoding::Chunked } else { Encoding::Plain };
        self.upload.continue_due = continue_due && !self.upload.decoder.is_done();
    }

    /// Whether the caller's request was taken from its connection to the last byte.
    pub(crate) fn request_is_read(&self) -> bool {
        self.upload.decoder.is_done()
    }

    /// Whether the caller's connection may carry another request.
    pub(crate) fn keeps_caller(&self) -> bool {
        self.download.keep_caller && self.request_is_read()
    }
}

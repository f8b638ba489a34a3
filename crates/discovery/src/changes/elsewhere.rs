//! Where the kernel has no inotify: nothing is told, so that files are looked at.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::{Entry, Event, Watch};

/// None can be had.
pub(super) struct Kernel(Infallible);

impl Kernel {
    pub(super) fn open() -> io::Result<Kernel> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn descriptor(&self) -> Arc<OwnedFd> {
        match self.0 {}
    }

    pub(super) fn watch(&self, _: &Path, _: bool) -> io::Result<Watch> {
        match self.0 {}
    }

    pub(super) fn unwatch(&self, _: Watch) {
        match self.0 {}
    }

    pub(super) fn events(&self, _: impl FnMut(Event)) {
        match self.0 {}
    }
}

pub(super) fn hears_all_of(_: &Path) -> bool {
    false
}

pub(super) fn is_exhausted(_: &io::Error) -> bool {
    false
}

pub(super) fn entry(_: &Path) -> io::Result<Entry> {
    Err(io::ErrorKind::Unsupported.into())
}

//! What the kernel says, and what is told of it.

use std::ffi::OsString;
use std::time::Duration;

/// How what is there now came to be there, which says how soon it may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It took its place as a whole: a rename, a link that was turned, another folder.
    Whole,
    /// Whoever wrote it has closed it.
    Closed,
    /// Somebody is writing.
    Open,
}

impl Word {
    /// How long what is there has to stay as it is, of what is believed after `interval` when nothing was heard. Who has
    /// closed a file may open it again for the next line.
    pub(crate) fn rest(self, interval: Duration) -> Duration {
        match self {
            Word::Whole => Duration::ZERO,
            Word::Closed => interval / 50,
            Word::Open => interval / 5,
        }
    }
}

/// A number by which the kernel names a watch.
pub(super) type Watch = i32;

/// What stands at a path, links not followed.
pub(super) enum Entry {
    Folder,
    Link,
    /// Nothing, or what is not to be looked into.
    None,
    /// A file.
    File {
        /// It may be written to under another name, of which its folder hears nothing: it is mounted there by itself, or
        /// has several names.
        elsewhere: bool,
    },
}

/// One thing the kernel has to say.
pub(super) enum Event {
    /// So much has happened that some of it was not kept.
    Overflow,
    /// The watch is no more: what it was for has gone.
    Gone(Watch),
    /// Something happened to what has this name in the folder; to a file that is watched itself the name is empty.
    Entry(Watch, OsString, What),
}

/// What happened to a name.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// It means something else now, or nothing.
    Turned(Word),
    /// Its content was changed.
    Written(Word),
    /// Its rights or links have changed.
    Touched,
}

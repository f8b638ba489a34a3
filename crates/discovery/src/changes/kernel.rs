//! What the Linux kernel tells of folders and files (inotify), and of which file systems it tells everything.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{AtFlags, CWD, FileType, FsWord, StatxAttributes, StatxFlags, statfs, statx};
use rustix::io::Errno;

use super::{Entry, Event, Watch, What, Word};

/// File systems all of whose changes are made by this kernel, by the magic numbers of statfs(2). Of others, which a server or
/// a program keeps (NFS, CIFS, FUSE, 9p), it hears only what it does itself.
const LOCAL: [FsWord; 15] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x794c_7630, // overlayfs
    0xf2f5_2010, // f2fs
    0x2fc1_2fc1, // zfs
    0xca45_1a4e, // bcachefs
    0x3153_464a, // jfs
    0x5265_4973, // reiserfs
    0x4d44,      // vfat
    0x2011_bab0, // exfat
    0x7371_7368, // squashfs
    0xe0f5_e1e2, // erofs
];

/// Names that come, go, or are given to something else.
const ENTRIES: WatchFlags = WatchFlags::CREATE.union(WatchFlags::DELETE).union(WatchFlags::MOVE);
/// And what happens to their content.
const CONTENT: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::CLOSE_WRITE).union(WatchFlags::ATTRIB);
/// What one path names, whatever else it is. Bits are added to those of a watch there is.
const HOW: WatchFlags = WatchFlags::DONT_FOLLOW.union(WatchFlags::EXCL_UNLINK).union(WatchFlags::MASK_ADD);

/// The end at which the kernel speaks.
pub(super) struct Kernel {
    fd: Arc<OwnedFd>,
}

impl Kernel {
    /// Fails where the kernel has none to give: `fs.inotify.max_user_instances`.
    pub(super) fn open() -> io::Result<Kernel> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Kernel { fd: Arc::new(fd) })
    }

    /// What becomes readable when there is something to hear.
    pub(super) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// Watches what is at `path`; `content`: what is written to the files in it, too. A watch that is there gets what it
    /// has not.
    pub(super) fn watch(&self, path: &Path, content: bool) -> io::Result<Watch> {
        let of = if content { ENTRIES.union(CONTENT) } else { ENTRIES };
        Ok(inotify::add_watch(&self.fd, path, of.union(HOW))?)
    }

    /// Fails for watches that are gone by themselves, which is as good.
    pub(super) fn unwatch(&self, watch: Watch) {
        let _ = inotify::remove_watch(&self.fd, watch);
    }

    /// All that has been said since.
    pub(super) fn events(&self, mut each: impl FnMut(Event)) {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut events = inotify::Reader::new(&self.fd, &mut buffer);
        loop {
            match events.next() {
                Ok(event) => {
                    let name = event
                        .file_name()
                        .map_or_else(OsString::new, |name| OsStr::from_bytes(name.to_bytes()).to_owned());
                    if let Some(event) = understood(event.wd(), event.events(), name) {
                        each(event);
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

fn understood(watch: Watch, said: ReadFlags, name: OsString) -> Option<Event> {
    let what = if said.contains(ReadFlags::QUEUE_OVERFLOW) {
        return Some(Event::Overflow);
    } else if said.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
        return Some(Event::Gone(watch));
    } else if said.contains(ReadFlags::MOVED_TO) {
        What::Turned(Word::Whole)
    } else if said.contains(ReadFlags::CREATE) {
        // Of a file that is made to be written to; links and folders are whole, but have no content of their own.
        What::Turned(Word::Open)
    } else if said.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        What::Turned(Word::Closed)
    } else if said.contains(ReadFlags::CLOSE_WRITE) {
        What::Written(Word::Closed)
    } else if said.contains(ReadFlags::MODIFY) {
        What::Written(Word::Open)
    } else if said.contains(ReadFlags::ATTRIB) {
        What::Touched
    } else {
        return None;
    };
    Some(Event::Entry(watch, name, what))
}

/// Whether the kernel hears of every change below `path` that is no other mount's.
pub(super) fn hears_all_of(path: &Path) -> bool {
    statfs(path).is_ok_and(|known| LOCAL.contains(&known.f_type))
}

/// Whether an error says that the kernel has no watch left to give.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::NOMEM))
}

/// What stands at `path`. Fails where that cannot be said.
pub(super) fn entry(path: &Path) -> io::Result<Entry> {
    let asked = StatxFlags::TYPE | StatxFlags::NLINK;
    let known = match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, asked) {
        Ok(known) => known,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => return Ok(Entry::None),
        Err(error) => return Err(error.into()),
    };
    Ok(match FileType::from_raw_mode(known.stx_mode.into()) {
        FileType::Directory => Entry::Folder,
        FileType::Symlink => Entry::Link,
        FileType::RegularFile => {
            let mount = StatxAttributes::MOUNT_ROOT;
            // Kernels before 5.8 cannot say whether it is a mount.
            let mounted = known.stx_attributes.contains(mount) || !known.stx_attributes_mask.contains(mount);
            Entry::File { elsewhere: mounted || known.stx_nlink > 1 }
        }
        _ => Entry::None,
    })
}

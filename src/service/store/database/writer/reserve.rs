//! Room on the disk that is taken at the start, for records that come when the disk is full.
//!
//! Records are written over the bytes that hold the room, so that they need no new block. A file system that writes
//! elsewhere in any case (btrfs, ZFS) gives no such promise.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::service::base::private_file;

pub(super) struct Reserve {
    file: File,
    pub(super) path: PathBuf,
    used: u64,
    size: u64,
}

impl Reserve {
    /// Makes the file, which must not exist yet. Fails when the disk has less room than `size` bytes.
    pub(super) fn take(path: &Path, size: u64) -> io::Result<Self> {
        let taken = Self::fill(path, size).map(|file| Self { file, path: path.to_owned(), used: 0, size });
        if taken.is_err() {
            // Half a reserve takes room that is needed.
            let _ = fs::remove_file(path);
        }
        taken
    }

    fn fill(path: &Path, size: u64) -> io::Result<File> {
        let mut file = private_file::create(path)?;
        lock(&file);
        io::copy(&mut io::Read::take(io::repeat(0), size), &mut file)?;
        file.sync_all()?;
        Ok(file)
    }

    pub(super) fn is_used(&self) -> bool {
        self.used > 0
    }

    /// Whether the half is left that belongs to the requests that are open when the other half is used.
    pub(super) fn has_room(&self) -> bool {
        self.used < self.size / 2
    }

    /// The text is on the disk when this returns.
    pub(super) fn append(&mut self, text: &[u8]) -> io::Result<()> {
        let end = self.used + text.len() as u64;
        if end > self.size {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.seek(SeekFrom::Start(self.used))?;
        self.file.write_all(text)?;
        self.file.sync_data()?;
        self.used = end;
        Ok(())
    }
}

/// Whether no process uses the reserve at `path` any more.
pub(super) fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| lock(&file))
}

/// Marks a file as in use until it is closed (`flock(2)`); false if another process has done so.
#[cfg(unix)]
fn lock(file: &File) -> bool {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// A file that is in use cannot be opened for writing here, nor moved, so nothing has to mark it.
#[cfg(not(unix))]
fn lock(_: &File) -> bool {
    true
}

/// The part of a file's content in front of the room that is left.
pub(super) fn without_room(content: &[u8]) -> &[u8] {
    let end = content.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &content[..end]
}

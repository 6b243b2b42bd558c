//! Room on the disk that is taken at the start, for records that come when the disk is full.
//!
//! Records are written over the bytes that hold the room, so that they need no new block. A file system that writes
//! elsewhere in any case (btrfs, ZFS) gives no such promise.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memchr::{memchr_iter, memrchr};

use crate::service::base::private_file;

pub(super) struct Reserve {
    file: File,
    pub(super) path: PathBuf,
    used: u64,
    size: u64,
    /// Its records are on their way into the database, after which the file goes, so none may be added.
    is_sealed: bool,
}

impl Reserve {
    /// Makes the file, which must not exist yet. Fails when the disk has less room than `size` bytes. The file gets its
    /// name when it is whole and locked, so that another instance never finds it in the making.
    pub(super) fn take(path: &Path, size: u64) -> io::Result<Self> {
        let unfinished = path.with_extension(UNFINISHED);
        let filled = Self::fill(&unfinished, size).and_then(|file| fs::rename(&unfinished, path).map(|()| file));
        if filled.is_err() {
            // Half a reserve takes room that is needed.
            let _ = fs::remove_file(&unfinished);
        }
        Ok(Self { file: filled?, path: path.to_owned(), used: 0, size, is_sealed: false })
    }

    fn fill(path: &Path, size: u64) -> io::Result<File> {
        let mut file = private_file::create(path)?;
        if !lock(&file) {
            return Err(io::Error::other("the file system locks no files"));
        }
        io::copy(&mut io::repeat(0).take(size), &mut file)?;
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

    /// Adds the lines that fit, from the first one on. They are on the disk when this returns their number.
    pub(super) fn append(&mut self, text: &[u8]) -> io::Result<usize> {
        let room = if self.is_sealed { 0 } else { self.size - self.used };
        let fitting = whole_lines(text, usize::try_from(room).unwrap_or(usize::MAX));
        if !fitting.is_empty() {
            self.file.seek(SeekFrom::Start(self.used))?;
            self.file.write_all(fitting)?;
            self.file.sync_data()?;
            self.used += fitting.len() as u64;
        }
        Ok(memchr_iter(b'\n', fitting).count())
    }

    pub(super) fn seal(&mut self, is_sealed: bool) {
        self.is_sealed = is_sealed;
    }

    /// Makes the reserve a file of records, or removes it if it holds none.
    pub(super) fn retire(self) -> io::Result<Option<PathBuf>> {
        // Gives back the room that is left. Where that fails, readers pass over it.
        let _ = self.file.set_len(self.used);
        rename_or_remove(&self.path, self.is_used())
    }
}

/// Makes a reserve that no process uses any more a file of records, or removes it if it holds none. `None` also when it
/// is in use, or when another instance takes it over at this moment.
pub(super) fn take_over(path: &Path) -> io::Result<Option<PathBuf>> {
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    if !lock(&file) {
        return Ok(None);
    }
    let has_records = begins_with_a_record(&mut file)?;
    // The lock is held until the file has its other name.
    match rename_or_remove(path, has_records) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        taken => taken,
    }
}

/// Whether records were put into the reserve, of whichever process it is.
pub(super) fn has_records(path: &Path) -> io::Result<bool> {
    begins_with_a_record(&mut File::open(path)?)
}

/// The room of a reserve is zeros.
fn begins_with_a_record(file: &mut File) -> io::Result<bool> {
    let mut first = [0];
    let length = file.read(&mut first)?;
    Ok(length > 0 && first != [0])
}

fn rename_or_remove(path: &Path, has_records: bool) -> io::Result<Option<PathBuf>> {
    if !has_records {
        fs::remove_file(path)?;
        return Ok(None);
    }
    let whole = path.with_extension(WHOLE);
    fs::rename(path, &whole)?;
    Ok(Some(whole))
}

/// The whole lines within the first `most` bytes.
fn whole_lines(text: &[u8], most: usize) -> &[u8] {
    let text = &text[..text.len().min(most)];
    let end = memrchr(b'\n', text).map_or(0, |last| last + 1);
    &text[..end]
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

/// The extension of a file of records.
pub(super) const WHOLE: &str = "jsonl";
/// The extension of a file in the making.
pub(super) const UNFINISHED: &str = "unfinished";

#[cfg(test)]
mod tests;

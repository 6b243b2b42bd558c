//! The spill: files with records that the database did not take, one JSON object a line, one file a batch.
//!
//! A file gets its name when it is whole and on the disk, and never changes after that. So any number of instances can
//! share the folder, and two that take in the same file add its rows once, because rows have ids. On a full disk records
//! go to the [`Reserve`], which is of one instance and becomes such a file at its end, or when another takes its place.

mod folder;
mod lines;
mod oldest;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::folder::files_with_usage;
use self::folder::{REFUSED, RESERVE, SpillEntry};
use super::reserve::{self, Reserve, UNFINISHED, WHOLE};
use crate::clock::Clock;
use crate::service::base::private_file;
use crate::service::store::database::{UsageRow, identifier};

pub(super) struct Spill {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    files: VecDeque<SpillFile>,
    /// The bytes to keep in reserve, and the reserve while there is one.
    reserve_size: u64,
    reserve: Option<Reserve>,
}

/// Where rows are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpilledTo {
    /// All have a file of their own.
    File,
    /// So many, from the first on, are in the reserve, because the disk takes no new file.
    Reserve(usize),
}

struct SpillFile {
    path: PathBuf,
    /// Rows of the file that the database does not have yet.
    rows: u64,
    /// Rows at the file's beginning that the database has.
    taken: usize,
}

impl Spill {
    /// Creates the folder if there is none, and finds the files in it.
    pub(super) fn open(folder: &Path, reserve_size: u64, clock: Arc<dyn Clock>) -> io::Result<Self> {
        private_file::create_folder(folder)?;
        let files = VecDeque::new();
        let mut spill = Self { folder: folder.to_owned(), clock, files, reserve_size, reserve: None };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match SpillEntry::of(&path) {
                Some(SpillEntry::Records) => paths.push(path),
                Some(SpillEntry::Unfinished) if spill.is_old(&path) => gone(fs::remove_file(&path))?,
                Some(SpillEntry::Reserve) => paths.extend(reserve::take_over(&path)?),
                Some(SpillEntry::Unfinished | SpillEntry::Aside) | None => {}
            }
        }
        paths.sort(); // names begin with the time
        for path in paths {
            // Another instance may take the file in at this moment.
            if let Ok(text) = fs::read(&path) {
                let rows = lines::of(&text).count() as u64;
                spill.files.push_back(SpillFile { path, rows, taken: 0 });
            }
        }
        spill.renew_reserve();
        Ok(spill)
    }

    pub(super) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The rows that it tells of are on the disk when this returns.
    pub(super) fn write(&mut self, rows: &[UsageRow]) -> io::Result<SpilledTo> {
        match self.put(rows, WHOLE) {
            Ok(path) => {
                self.files.push_back(SpillFile { path, rows: rows.len() as u64, taken: 0 });
                Ok(SpilledTo::File)
            }
            Err(error) => match self.write_to_reserve(rows) {
                Ok(0) | Err(_) => Err(error),
                Ok(rows) => Ok(SpilledTo::Reserve(rows)),
            },
        }
    }

    /// Whether the reserve has room for what may still come; true while it is not needed.
    pub(super) fn has_room(&self) -> bool {
        self.reserve.as_ref().is_none_or(Reserve::has_room)
    }

    /// Takes room on the disk again after the reserve was used. A disk that is still too full is asked the next time.
    pub(super) fn renew_reserve(&mut self) {
        if self.reserve.is_none() && self.reserve_size > 0 {
            match self.new_reserve() {
                Ok(reserve) => self.reserve = Some(reserve),
                Err(error) => tracing::warn!(%error, "The disk has no room to keep in reserve for usage records"),
            }
        }
    }

    /// Takes another reserve, if the disk has room for it, and makes the one that is used a file like the others. Returns
    /// whether the disk has room.
    pub(super) fn replace_reserve(&mut self) -> bool {
        if self.reserve_size == 0 {
            return false;
        }
        let Ok(another) = self.new_reserve() else { return false };
        let Some(used) = self.reserve.replace(another) else { return true };
        let path = used.path.clone();
        match used.retire() {
            Ok(whole) => {
                let file = self.files.iter_mut().find(|file| file.path == path);
                if let (Some(file), Some(whole)) = (file, whole) {
                    file.path = whole;
                }
            }
            // The next start takes it in under the name that it has.
            Err(error) => tracing::warn!(%error, "Cannot rename the used reserve of usage records"),
        }
        true
    }

    fn new_reserve(&self) -> io::Result<Reserve> {
        let path = self.folder.join(format!("usage-{}.{RESERVE}", identifier::next(self.clock.now())));
        let reserve = Reserve::take(&path, self.reserve_size)?;
        sync_folder(&self.folder);
        Ok(reserve)
    }

    /// Returns how many rows, from the first on, are in the reserve.
    fn write_to_reserve(&mut self, rows: &[UsageRow]) -> io::Result<usize> {
        let Some(reserve) = &mut self.reserve else { return Ok(0) };
        let first = !reserve.is_used();
        let put = reserve.append(&lines::format(rows)?)?;
        if first && put > 0 {
            self.files.push_back(SpillFile { path: reserve.path.clone(), rows: 0, taken: 0 });
        }
        if let Some(file) = self.files.iter_mut().find(|file| file.path == reserve.path) {
            file.rows += put as u64;
        }
        Ok(put)
    }

    /// Puts rows on the disk that the database will never take, for an operator to look at.
    pub(super) fn set_aside(&self, rows: &[UsageRow]) -> io::Result<PathBuf> {
        self.put(rows, REFUSED)
    }

    fn put(&self, rows: &[UsageRow], extension: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("usage-{}.{extension}", identifier::next(self.clock.now())));
        let unfinished = path.with_extension(UNFINISHED);
        let written = lines::write(&unfinished, rows).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(error) = written {
            // The file may not even exist; if it does, it takes room that is needed.
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        sync_folder(&self.folder);
        Ok(path)
    }

    /// Whether the file is so old that no instance can still be writing it.
    fn is_old(&self, path: &Path) -> bool {
        let changed = fs::metadata(path).and_then(|file| file.modified());
        changed.is_ok_and(|changed| self.clock.now().duration_since(changed).is_ok_and(|age| age > ABANDONED))
    }
}

/// An unused reserve goes with the process. One that holds records becomes a file like the others.
impl Drop for Spill {
    fn drop(&mut self) {
        if let Some(reserve) = self.reserve.take()
            && let Err(error) = reserve.retire()
        {
            tracing::warn!(%error, "The next start takes in the usage records of the reserve");
        }
    }
}

/// A file that another instance has removed is gone too.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Where a folder can be synced, a new name in it is then on the disk; elsewhere the file system sees to that.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

const ABANDONED: Duration = Duration::from_secs(3600);

// Elsewhere a folder with open files in it cannot be moved.
#[cfg(test)]
#[cfg(unix)]
mod tests;

//! The spill: files with records that the database did not take, one JSON object a line, one file a batch.
//!
//! A file gets its name when it is whole and on the disk, and never changes after that. So any number of instances can
//! share the folder, and two that take in the same file add its rows once, because rows have ids. On a full disk records
//! go to the [`Reserve`], which is of one instance and becomes such a file at its end.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::reserve::{self, Reserve, without_room};
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
    /// A file of their own.
    File,
    /// The reserve, because the disk takes no new file.
    Reserve,
}

struct SpillFile {
    path: PathBuf,
    /// Rows of the file that the database does not have yet.
    rows: u64,
    /// Rows at the file's beginning that the database has.
    taken: usize,
}

/// The rows of the oldest file that the database does not have yet.
pub(super) struct Spilled {
    pub(super) rows: Vec<UsageRow>,
    /// Lines that cannot be read.
    pub(super) damaged: u64,
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
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(WHOLE) => paths.push(path),
                Some(UNFINISHED) if spill.is_old(&path) => fs::remove_file(&path)?,
                Some(RESERVE) if reserve::is_abandoned(&path) => paths.extend(take_over(&path)?),
                _ => {}
            }
        }
        paths.sort(); // names begin with the time
        for path in paths {
            // Another instance may take the file in at this moment.
            if let Ok(text) = fs::read(&path) {
                let rows =
                    without_room(&text).split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count() as u64;
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

    /// The rows are on the disk when this returns.
    pub(super) fn write(&mut self, rows: &[UsageRow]) -> io::Result<SpilledTo> {
        match self.put(rows, WHOLE) {
            Ok(path) => {
                self.files.push_back(SpillFile { path, rows: rows.len() as u64, taken: 0 });
                Ok(SpilledTo::File)
            }
            Err(error) => match self.write_to_reserve(rows) {
                Ok(true) => Ok(SpilledTo::Reserve),
                Ok(false) | Err(_) => Err(error),
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
            let path = self.folder.join(format!("usage-{}.{RESERVE}", identifier::next(self.clock.now())));
            match Reserve::take(&path, self.reserve_size) {
                Ok(reserve) => self.reserve = Some(reserve),
                Err(error) => tracing::warn!(%error, "The disk has no room to keep in reserve for usage records"),
            }
        }
    }

    /// False without a reserve.
    fn write_to_reserve(&mut self, rows: &[UsageRow]) -> io::Result<bool> {
        let Some(reserve) = &mut self.reserve else { return Ok(false) };
        let first = !reserve.is_used();
        reserve.append(&lines(rows)?)?;
        if first {
            self.files.push_back(SpillFile { path: reserve.path.clone(), rows: 0, taken: 0 });
        }
        if let Some(file) = self.files.iter_mut().find(|file| file.path == reserve.path) {
            file.rows += rows.len() as u64;
        }
        Ok(true)
    }

    /// Puts rows on the disk that the database will never take, for an operator to look at.
    pub(super) fn set_aside(&self, rows: &[UsageRow]) -> io::Result<PathBuf> {
        self.put(rows, REFUSED)
    }

    /// The rows of the oldest file, which stays; `None` when there is no file. A file that cannot be read is left for
    /// the next start.
    pub(super) fn oldest(&mut self) -> io::Result<Option<Spilled>> {
        let Some(file) = self.files.front() else { return Ok(None) };
        if self.reserve.as_ref().is_some_and(|reserve| reserve.path == file.path) {
            // From here on nothing is added to the file, which goes when its rows are in the database.
            self.reserve = None;
        }
        let text = match fs::read(&file.path) {
            Ok(text) => text,
            // Another instance has taken the file in.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.files.pop_front();
                return Err(error);
            }
        };
        let mut spilled = Spilled { rows: Vec::new(), damaged: 0 };
        for line in without_room(&text).split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(row) => spilled.rows.push(row),
                Err(_) => spilled.damaged += 1,
            }
        }
        spilled.rows.drain(..file.taken.min(spilled.rows.len()));
        Ok(Some(spilled))
    }

    /// Says that the next `rows` of the oldest file are in the database, so that another attempt begins after them.
    pub(super) fn advance(&mut self, rows: usize) {
        if let Some(file) = self.files.front_mut() {
            file.taken += rows;
            file.rows = file.rows.saturating_sub(rows as u64);
        }
    }

    /// Removes the oldest file. Returns how many rows it was thought to hold still. A damaged file is kept under
    /// another name, for an operator to look at.
    pub(super) fn remove_oldest(&mut self, damaged: bool) -> (u64, io::Result<()>) {
        let Some(file) = self.files.pop_front() else { return (0, Ok(())) };
        let aside = file.path.with_extension(DAMAGED);
        let removed = if damaged { fs::rename(&file.path, aside) } else { fs::remove_file(&file.path) };
        // Another instance may have removed the file.
        let gone = removed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        (file.rows, if gone { Ok(()) } else { removed })
    }

    fn put(&self, rows: &[UsageRow], extension: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("usage-{}.{extension}", identifier::next(self.clock.now())));
        let unfinished = path.with_extension(UNFINISHED);
        let written = write_lines(&unfinished, rows).and_then(|()| fs::rename(&unfinished, &path));
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

fn write_lines(path: &Path, rows: &[UsageRow]) -> io::Result<()> {
    let text = lines(rows)?;
    let mut file = private_file::create(path)?;
    file.write_all(&text)?;
    file.sync_all()
}

fn lines(rows: &[UsageRow]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// An unused reserve goes with the process. One that holds records becomes a file like the others.
impl Drop for Spill {
    fn drop(&mut self) {
        if let Some(reserve) = self.reserve.take()
            && let Err(error) = take_over(&reserve.path)
        {
            tracing::warn!(%error, "The next start takes in the usage records of the reserve");
        }
    }
}

/// Makes a reserve that no process uses a file of records, or removes it if it holds none.
fn take_over(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut first = [0];
    let length = File::open(path)?.read(&mut first)?;
    if length == 0 || first == [0] {
        fs::remove_file(path)?;
        return Ok(None);
    }
    let whole = path.with_extension(WHOLE);
    fs::rename(path, &whole)?;
    Ok(Some(whole))
}

/// Where a folder can be synced, a new name in it is then on the disk; elsewhere the file system sees to that.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

const WHOLE: &str = "jsonl";
const UNFINISHED: &str = "unfinished";
const RESERVE: &str = "reserve";
const REFUSED: &str = "refused";
const DAMAGED: &str = "damaged";
const ABANDONED: Duration = Duration::from_secs(3600);

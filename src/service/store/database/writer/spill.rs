//! The spill: files with records that the database did not take, one JSON object a line, one file a batch.
//!
//! A file gets its name when it is whole and on the disk, and never changes after that. So any number of instances can
//! share the folder, and two that take in the same file add its rows once, because rows have ids. The disk may be full
//! or damaged; that is an error.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::service::base::private_file;
use crate::service::store::database::{UsageRow, identifier};

pub(super) struct Spill {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    files: VecDeque<SpillFile>,
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
    pub(super) fn open(folder: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        private_file::create_folder(folder)?;
        let mut spill = Self { folder: folder.to_owned(), clock, files: VecDeque::new() };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(WHOLE) => paths.push(path),
                Some(UNFINISHED) if spill.is_old(&path) => fs::remove_file(&path)?,
                _ => {}
            }
        }
        paths.sort(); // names begin with the time
        for path in paths {
            // Another instance may take the file in at this moment.
            if let Ok(text) = fs::read(&path) {
                let rows = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count() as u64;
                spill.files.push_back(SpillFile { path, rows, taken: 0 });
            }
        }
        Ok(spill)
    }

    pub(super) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The rows are on the disk when this returns.
    pub(super) fn write(&mut self, rows: &[UsageRow]) -> io::Result<()> {
        let path = self.put(rows, WHOLE)?;
        self.files.push_back(SpillFile { path, rows: rows.len() as u64, taken: 0 });
        Ok(())
    }

    /// Puts rows on the disk that the database will never take, for an operator to look at.
    pub(super) fn set_aside(&self, rows: &[UsageRow]) -> io::Result<PathBuf> {
        self.put(rows, REFUSED)
    }

    /// The rows of the oldest file, which stays; `None` when there is no file. A file that cannot be read is left for
    /// the next start.
    pub(super) fn oldest(&mut self) -> io::Result<Option<Spilled>> {
        let Some(file) = self.files.front() else { return Ok(None) };
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
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
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
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row)?;
        text.push(b'\n');
    }
    let mut file = private_file::create(path)?;
    file.write_all(&text)?;
    file.sync_all()
}

/// Where a folder can be synced, a new name in it is then on the disk; elsewhere the file system sees to that.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

const WHOLE: &str = "jsonl";
const UNFINISHED: &str = "unfinished";
const REFUSED: &str = "refused";
const DAMAGED: &str = "damaged";
const ABANDONED: Duration = Duration::from_secs(3600);

//! The oldest file of the spill, on its way back into the database.

use std::fs;
use std::io;

use super::folder::DAMAGED;
use super::{Spill, gone, lines};
use crate::service::store::database::UsageRow;

/// The rows of the oldest file that the database does not have yet.
pub(in crate::service::store::database::writer) struct Spilled {
    pub(in crate::service::store::database::writer) rows: Vec<UsageRow>,
    /// Lines that cannot be read.
    pub(in crate::service::store::database::writer) damaged: u64,
}

impl Spill {
    /// The rows of the oldest file, which stays; `None` when there is no file. Nothing is added to it until
    /// [`keep_oldest`](Self::keep_oldest). A file that cannot be read is left for the next start.
    pub(in crate::service::store::database::writer) fn oldest(&mut self) -> io::Result<Option<Spilled>> {
        let Some(file) = self.files.front() else { return Ok(None) };
        let mut reserve = self.reserve.as_mut().filter(|reserve| reserve.path == file.path);
        if let Some(reserve) = &mut reserve {
            reserve.seal(true);
        }
        let text = match fs::read(&file.path) {
            Ok(text) => text,
            // Another instance has taken the file in.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                if reserve.is_some() {
                    self.reserve = None;
                }
                self.files.pop_front();
                return Err(error);
            }
        };
        let mut spilled = Spilled { rows: Vec::new(), damaged: 0 };
        for line in lines::of(&text) {
            match serde_json::from_slice(line) {
                Ok(row) => spilled.rows.push(row),
                Err(_) => spilled.damaged += 1,
            }
        }
        spilled.rows.drain(..file.taken.min(spilled.rows.len()));
        Ok(Some(spilled))
    }

    /// Says that the next `rows` of the oldest file are in the database, so that another attempt begins after them.
    pub(in crate::service::store::database::writer) fn advance(&mut self, rows: usize) {
        if let Some(file) = self.files.front_mut() {
            file.taken += rows;
            file.rows = file.rows.saturating_sub(rows as u64);
        }
    }

    /// Says that the oldest file stays: the database does not have all of its rows.
    pub(in crate::service::store::database::writer) fn keep_oldest(&mut self) {
        if let Some(reserve) = &mut self.reserve {
            reserve.seal(false);
        }
    }

    /// Removes the oldest file. Returns how many rows it was thought to hold still. A damaged file is kept under
    /// another name, for an operator to look at.
    pub(in crate::service::store::database::writer) fn remove_oldest(
        &mut self,
        damaged: bool,
    ) -> (u64, io::Result<()>) {
        let Some(file) = self.files.pop_front() else { return (0, Ok(())) };
        let aside = file.path.with_extension(DAMAGED);
        let removed = if damaged { fs::rename(&file.path, aside) } else { fs::remove_file(&file.path) };
        if self.reserve.as_ref().is_some_and(|reserve| reserve.path == file.path) {
            self.reserve = None;
        }
        (file.rows, gone(removed))
    }
}

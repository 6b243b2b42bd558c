//! The rows of the table that nobody writes: for each secret the setting that names a file with it.

use super::setting::{Setting, Shown};

impl Setting {
    /// The setting that names a file with this secret alone. `None` for what is no secret, or has no such file.
    pub(in crate::service::config) const fn file(self) -> Option<Self> {
        match self.file_name {
            Some(name) if self.is_secret() => {
                let help = if self.is_reloadable { FOLLOWED } else { READ_ONCE };
                let (shown, file_name) = (Shown::Value, None);
                Some(Self { name, help, shown, file_name, default: None, flag: None, is_list: false, ..self })
            }
            _ => None,
        }
    }
}

/// How many settings `rows` make.
pub(super) const fn count(rows: &[Setting]) -> usize {
    let (mut count, mut at) = (rows.len(), 0);
    while at < rows.len() {
        if rows[at].file().is_some() {
            count += 1;
        }
        at += 1;
    }
    count
}

/// The rows, and behind each secret the setting of its file. `ALL` is their [`count`].
pub(super) const fn with_files<const ALL: usize>(rows: &[Setting]) -> [Setting; ALL] {
    let mut all = [rows[0]; ALL];
    let (mut from, mut to) = (0, 0);
    while from < rows.len() {
        all[to] = rows[from];
        to += 1;
        if let Some(file) = rows[from].file() {
            all[to] = file;
            to += 1;
        }
        from += 1;
    }
    all
}

const FOLLOWED: &str =
    "File with the setting above, in its place; a change of the file, or SIGHUP, takes effect without a restart";

const READ_ONCE: &str = "File with the setting above, in its place; it is read at the start";

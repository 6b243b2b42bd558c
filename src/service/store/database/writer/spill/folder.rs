//! What the files of a spill folder hold, by their extensions.

use std::path::Path;
use std::{fs, io};

use super::super::reserve::{self, UNFINISHED, WHOLE};

/// A file of the spill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpillEntry {
    /// Records on their way into the database.
    Records,
    /// Room that an instance keeps for records, or the records that it has put there.
    Reserve,
    /// A file in the making. Until it has its name its records are still in memory.
    Unfinished,
    /// Records for an operator to look at: the database refuses them, or their file is damaged.
    Aside,
}

impl SpillEntry {
    /// `None` for a file that the spill has not made.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            WHOLE => Some(Self::Records),
            RESERVE => Some(Self::Reserve),
            UNFINISHED => Some(Self::Unfinished),
            REFUSED | DAMAGED => Some(Self::Aside),
            _ => None,
        }
    }

    /// A file that another process removes at this moment holds none.
    fn has_usage(self, path: &Path) -> bool {
        match self {
            Self::Records | Self::Aside => true,
            Self::Reserve => reserve::has_records(path).unwrap_or(false),
            Self::Unfinished => false,
        }
    }
}

/// How many files of a spill folder hold usage that the database does not have. The reserve of an instance whose disk
/// takes everything holds none.
pub fn files_with_usage(folder: &Path) -> io::Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let has_usage = SpillEntry::of(&path).is_some_and(|entry| entry.has_usage(&path));
        files += usize::from(has_usage);
    }
    Ok(files)
}

pub(super) const RESERVE: &str = "reserve";
/// Rows that the database will never take.
pub(super) const REFUSED: &str = "refused";
/// Files with lines that cannot be read.
pub(super) const DAMAGED: &str = "damaged";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_usage_but_not_an_unused_reserve_or_a_file_in_the_making() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, files) in [
            ("usage-1.reserve", "\0\0\0", 0),
            ("usage-2.reserve", "", 0),
            ("usage-3.unfinished", "{}\n", 0),
            ("lost+found", "{}\n", 0),
            ("usage-4.reserve", "{}\n\0", 1),
            ("usage-5.jsonl", "{}\n", 2),
            ("usage-6.refused", "{}\n", 3),
            ("usage-7.damaged", "{", 4),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
            assert_eq!(files_with_usage(folder.path()).unwrap(), files, "{name}");
        }
    }
}

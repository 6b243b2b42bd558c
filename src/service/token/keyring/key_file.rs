//! The file that `JWT_SECRETS_FILE` names, as it stands at one moment.

use std::io;
use std::path::{Path, PathBuf};

use super::{KeyList, KeyListFault};
use crate::secret::Secret;
use crate::service::base::watched_file::content;

/// A file that was read and found good.
#[derive(Debug, Clone)]
pub struct KeyFile {
    /// Where it is.
    pub path: PathBuf,
    /// What stood in it.
    pub content: Secret,
    /// The keys it names.
    pub keys: KeyList,
}

/// Why the keys of a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileFault {
    /// It is not there, not readable, not text, or far too long.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It does not name good keys.
    #[error("{}", joined(.0))]
    Keys(Vec<KeyListFault>),
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`KeyFileFault`]
    pub fn read(path: &Path) -> Result<Self, KeyFileFault> {
        let content = content(path)?;
        let keys = KeyList::from_file(content.expose()).map_err(KeyFileFault::Keys)?;
        Ok(Self { path: path.to_owned(), content, keys })
    }
}

fn joined(faults: &[KeyListFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

//! The file that `JWT_SECRETS_FILE` names, as it was at one moment.

use std::io;
use std::path::{Path, PathBuf};

use super::{KeyList, KeyListError};
use crate::secret::Secret;
use crate::service::base::watched_file::content;

/// A file that was read and is valid.
#[derive(Debug, Clone)]
pub struct KeyFile {
    pub path: PathBuf,
    pub content: Secret,
    pub keys: KeyList,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file is missing, not readable, not text, or far too long.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// The file does not name valid keys.
    #[error("{}", joined(.0))]
    Keys(Vec<KeyListError>),
}

impl KeyFile {
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let content = content(path)?;
        let keys = KeyList::from_file(content.expose()).map_err(KeyFileError::Keys)?;
        Ok(Self { path: path.to_owned(), content, keys })
    }
}

fn joined(faults: &[KeyListError]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

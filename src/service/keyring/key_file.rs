//! The file that `JWT_SECRETS_FILE` names, as it stands at one moment.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyList, KeyListFault};
use crate::secret::Secret;

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

/// The text of the file, in memory that is wiped.
pub(super) fn content(path: &Path) -> io::Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    File::open(path)?.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 64 kB"));
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Secret::new(text))
}

fn joined(faults: &[KeyListFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

const LONGEST: usize = 64 << 10;

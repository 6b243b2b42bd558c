//! Text that an operator wrote into a file: settings, prices, keys. A file that is missing, not readable, not UTF-8 or
//! longer than 1 MB is an error.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::secret::Secret;

/// A file as it was at one moment. It may hold secrets.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    pub path: PathBuf,
    pub content: Secret,
}

impl TextFile {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), content: content(path)? })
    }
}

/// Reads the file into memory that is wiped after use.
pub(crate) fn content(path: &Path) -> io::Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 1 MB"));
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Secret::new(text))
}

/// The line of the byte at `at`, counted from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

const LONGEST: u64 = 1 << 20;

//! What stands in a file at one moment.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// A text, or why there is none.
pub(in crate::service) type Content = io::Result<Secret>;

/// The text of the file, in memory that is wiped.
pub(in crate::service) fn content(path: &Path) -> Content {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    File::open(path)?.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 64 kB"));
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Secret::new(text))
}

const LONGEST: usize = 64 << 10;

//! Text that an operator wrote into a file: settings, prices, keys. A file that is missing, not readable, not UTF-8 or
//! longer than 1 MB is an error. So is a pipe or a device: a look at it may wait for ever, and a second one finds nothing.

use std::fs::{self, File};
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
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
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

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn f121_a_pipe_a_device_and_a_folder_are_refused_before_they_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe, "/dev/zero".into(), folder.path().into()] {
            let (tell, told) = mpsc::channel();
            let read = path.clone();
            // Nobody writes into the pipe, so opening it would wait for ever.
            std::thread::spawn(move || tell.send(content(&read).map(drop).map_err(|error| error.to_string())));
            let told = told.recv_timeout(Duration::from_secs(10));
            assert_eq!(told, Ok(Err("it is no regular file".to_owned())), "{}", path.display());
        }
    }
}

//! Keeps a random signing secret in a file when none is configured, so that tokens survive a restart.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::random::random;
use crate::secret::Secret;
use crate::service::base::private_file;

/// The file with the signing secret cannot be read or made.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path}, which keeps the signing secret: {source}")]
pub struct SigningFileError {
    path: String,
    source: io::Error,
}

/// Reads the secret in `path`, or makes one there that only this user can read.
pub(crate) fn load_or_create(path: &Path) -> Result<Secret, SigningFileError> {
    let result = match fs::read_to_string(path) {
        Ok(text) => check(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(error),
    };
    result.map_err(|source| SigningFileError { path: path.display().to_string(), source })
}

/// Checks without writing that [`load_or_create`] would find a good secret, or a folder for a new one.
pub(crate) fn look(path: &Path) -> Result<(), SigningFileError> {
    let result = match fs::read_to_string(path) {
        Ok(text) => check(&text).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::metadata(folder_of(path)).map(drop),
        Err(error) => Err(error),
    };
    result.map_err(|source| SigningFileError { path: path.display().to_string(), source })
}

/// The folder of a path; the working folder if the path names none.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn check(text: &str) -> io::Result<Secret> {
    let text = text.trim();
    if text.len() < 43 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it does not hold 32 random bytes; delete it to make a new one",
        ));
    }
    Ok(Secret::new(text))
}

fn create(path: &Path) -> io::Result<Secret> {
    let secret = Secret::new(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()));
    match private_file::create(path) {
        Ok(mut file) => {
            file.write_all(secret.expose().as_bytes())?;
            file.sync_all()?;
            tracing::warn!(path = %path.display(), "No JWT_SECRET is set: made a random one and kept it");
            Ok(secret)
        }
        // Another instance on this machine was faster; its secret counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check(&fs::read_to_string(path)?),
        Err(error) => Err(error),
    }
}

//! The differences of SQLite: a file, its rights, and how one process shares it with another.
//!
//! Fails when the file cannot be made, or is anything but a sound database.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::{AnyConnection, Executor, Row};

use super::error::StoreError;
use crate::service::base::private_file;

/// Creates the file if there is none. Only this user can read it; SQLite gives the files beside it the same rights.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    match private_file::create(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::File { path: path.to_owned(), source }),
    }
}

/// The file as an address, with special characters escaped.
pub(super) fn address(path: &Path) -> String {
    let mut address = String::from("sqlite:");
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-:\\".contains(&byte) {
            address.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

/// The settings of each connection. `NORMAL` syncs at each checkpoint: after a loss of power the last transactions may
/// be missing, but the file is sound. What SQLite needs to undo a statement stays in memory: it is little, and a full
/// disk must not stop the statement that brings records back.
pub(super) fn greeting(patience: Duration) -> String {
    let patience = patience.as_millis();
    format!(
        "PRAGMA busy_timeout = {patience}; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; \
         PRAGMA temp_store = MEMORY"
    )
}

/// Checks the file, and lets readers and one writer work at the same time from now on.
pub(super) async fn prepare(connection: &mut AnyConnection, path: &Path) -> Result<(), StoreError> {
    write_ahead(connection).await?;
    if std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECK_UP_TO) {
        check(connection).await?;
    }
    Ok(())
}

/// The switch needs the file for itself and does not wait for it: another instance may be starting too.
async fn write_ahead(connection: &mut AnyConnection) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        match connection.execute("PRAGMA journal_mode = WAL").await.map_err(StoreError::from) {
            Err(StoreError::Busy(_)) => tokio::time::sleep(PAUSE).await,
            other => return other.map(|_| ()),
        }
    }
    connection.execute("PRAGMA journal_mode = WAL").await?;
    Ok(())
}

async fn check(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let found: String = connection.fetch_one("PRAGMA quick_check(1)").await?.try_get(0)?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Damaged { found }) }
}

/// Whether a migration was ever begun.
pub(super) const HAS_TABLES: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";

/// A check reads the whole file, and a start should not take minutes.
const CHECK_UP_TO: u64 = 256 << 20;
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_add_options_to_the_address() {
        assert_eq!(address(Path::new("/a b/x?mode=ro#%.db")), "sqlite:/a%20b/x%3Fmode%3Dro%23%25.db");
    }
}

//! Errors of the database, classified by what the caller or an operator can do next.

use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// Each variant is a cause that the caller or an operator can act on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot use the database file {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("DATABASE_URL cannot be used: {0}")]
    Address(#[source] sqlx::Error),
    /// The server is not there, refuses the login, or has no connection to give.
    #[error("the database cannot be reached: {0}")]
    Unreachable(#[source] sqlx::Error),
    /// Another transaction holds the lock, or two met. The same statement may work a moment later.
    #[error("the database is busy: {0}")]
    Busy(#[source] sqlx::Error),
    #[error("the database's disk is full: {0}")]
    Full(#[source] sqlx::Error),
    #[error("the database is damaged: {found}; restore a backup, or move the file away to begin with an empty one")]
    Damaged { found: String },
    #[error(
        "the database belongs to a newer version of valetkey (its tables have version {version}); use that version"
    )]
    Newer { version: i64 },
    /// A migration began and did not end, or was changed afterwards.
    #[error("the tables of the database do not fit their version {version} ({source}); restore a backup")]
    Schema { version: i64, source: Box<MigrateError> },
    /// The database takes no such value, now or later.
    #[error("the database refuses a value: {0}")]
    Refused(#[source] sqlx::Error),
    /// A row holds a value that valetkey never writes.
    #[error("the database holds a {what} that cannot be read: {value:?}")]
    Unreadable { what: &'static str, value: String },
    #[error("the cursor is not one that an earlier page gave")]
    Cursor,
    #[error("the database failed: {0}")]
    Failed(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let variant: fn(sqlx::Error) -> Self = match &error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                Self::Unreachable
            }
            sqlx::Error::Database(cause) => variant(&cause.code().unwrap_or_default()),
            _ => Self::Failed,
        };
        variant(error)
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer { version },
            MigrateError::Execute(error) => error.into(),
            MigrateError::ExecuteMigration(source, version) => match Self::from(source) {
                Self::Failed(source) => {
                    Self::Schema { version, source: Box::new(MigrateError::ExecuteMigration(source, version)) }
                }
                other => other,
            },
            MigrateError::Dirty(version) | MigrateError::VersionMismatch(version) => {
                Self::Schema { version, source: Box::new(error) }
            }
            other => Self::Schema { version: 0, source: Box::new(other) },
        }
    }
}

/// SQLite's codes are numbers (sqlite.org/rescode.html), PostgreSQL's have five characters (its appendix A).
fn variant(code: &str) -> fn(sqlx::Error) -> StoreError {
    if code.len() == 5 {
        return match code {
            "40001" | "40P01" | "55P03" | "57014" => StoreError::Busy,
            "53100" => StoreError::Full,
            _ => match &code[..2] {
                "22" | "23" => StoreError::Refused,
                "08" | "28" | "53" | "57" | "3D" => StoreError::Unreachable,
                _ => StoreError::Failed,
            },
        };
    }
    // The low byte is the code; the other bytes refine it.
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => StoreError::Busy,
        Ok(13) => StoreError::Full,
        Ok(11 | 26) => damaged,
        Ok(18..=20) => StoreError::Refused,
        Ok(14) => StoreError::Unreachable,
        _ => StoreError::Failed,
    }
}

fn damaged(error: sqlx::Error) -> StoreError {
    let found = error.into_database_error().map(|cause| cause.to_string()).unwrap_or_default();
    StoreError::Damaged { found }
}

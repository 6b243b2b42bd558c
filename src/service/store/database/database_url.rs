//! Where the database is.

use std::path::PathBuf;

use crate::secret::Secret;

#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    /// PostgreSQL; the URL may hold a password.
    Postgres(Secret),
}

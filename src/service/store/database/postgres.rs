//! The differences of PostgreSQL: what connections begin with, and the lock for migrations.

use std::time::Duration;

/// The settings of each connection. No statement waits longer for a lock than it would in SQLite, and a statement that
/// the network swallowed ends at the server too.
pub(super) fn greeting(patience: Duration) -> String {
    format!(
        "SET lock_timeout = {}; SET statement_timeout = {}",
        patience.as_millis(),
        (patience + STATEMENT_LIMIT).as_millis()
    )
}

/// Held while tables are brought up to date. The number is arbitrary, but no other program may use it.
pub(super) const MIGRATION_LOCK: &str = "SET LOCAL lock_timeout = 60000; SET LOCAL statement_timeout = 0; \
     SELECT pg_advisory_xact_lock(8538072643071)";

/// Whether a migration was ever begun.
pub(super) const HAS_TABLES: &str = "SELECT COUNT(*) FROM pg_catalog.pg_tables \
     WHERE tablename = '_sqlx_migrations' AND schemaname = ANY(current_schemas(false))";

const STATEMENT_LIMIT: Duration = Duration::from_secs(25);

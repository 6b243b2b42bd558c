//! Counts the changes of polled tables, so that a poll without news costs one row.

use sqlx::{Any, AnyExecutor, Row, Transaction};

use super::error::StoreError;
use super::statement::Statement;
use crate::service::base::enum_names::enum_names;

#[derive(Clone, Copy)]
pub(super) enum RevisionKind {
    Devices,
    Revocations,
    Budgets,
    LateUsage,
}

enum_names!(RevisionKind {
    Devices = "devices",
    Revocations = "revocations",
    Budgets = "budgets",
    LateUsage = "late_usage"
});

impl RevisionKind {
    /// Counts a change, in the transaction that makes it, and returns the new revision. Transactions of one subject
    /// thereby come one after another, so a greater revision never becomes visible before a smaller one.
    pub(super) async fn advance(self, transaction: &mut Transaction<'static, Any>) -> Result<i64, StoreError> {
        let mut statement = Statement::new("INSERT INTO revisions (subject, revision) VALUES (");
        statement.bind(self.as_str());
        statement.push(", 1) ON CONFLICT (subject) DO UPDATE SET revision = revisions.revision + 1 RETURNING revision");
        let row = statement.fetch_optional(&mut **transaction).await?;
        row.map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }

    /// The number of changes so far.
    pub(super) async fn current(self, from: impl AnyExecutor<'_>) -> Result<i64, StoreError> {
        let mut statement = Statement::new("SELECT revision FROM revisions WHERE subject = ");
        let row = statement.bind(self.as_str()).fetch_optional(from).await?;
        row.map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }
}

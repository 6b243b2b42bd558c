//! Counts the changes of polled tables, so that a poll without news costs one row.

use sqlx::{Any, AnyExecutor, Row, Transaction};

use super::error::StoreError;
use super::statement::Statement;

#[derive(Clone, Copy)]
pub(super) enum RevisionKind {
    Devices,
    Revocations,
    Budgets,
}

impl RevisionKind {
    fn name(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Revocations => "revocations",
            Self::Budgets => "budgets",
        }
    }

    /// Counts a change, in the transaction that makes it. Transactions of one subject thereby come one after another,
    /// so a greater revision never becomes visible before a smaller one.
    pub(super) async fn advance(self, transaction: &mut Transaction<'static, Any>) -> Result<(), StoreError> {
        let mut statement = Statement::new("UPDATE revisions SET revision = revision + 1 WHERE subject = ");
        statement.bind(self.name()).execute(&mut **transaction).await?;
        Ok(())
    }

    /// The number of changes so far.
    pub(super) async fn current(self, from: impl AnyExecutor<'_>) -> Result<i64, StoreError> {
        let mut statement = Statement::new("SELECT revision FROM revisions WHERE subject = ");
        let row = statement.bind(self.name()).fetch_optional(from).await?;
        row.map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }
}

//! Table `audit`: who did what as an administrator. Rows are added and never changed.

use std::net::IpAddr;
use std::time::SystemTime;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::error::StoreError;
use super::page::{Page, PageRequest};
use super::statement::{Statement, Value};
use super::{Database, column, identifier, millis};

/// Who did what.
#[derive(Clone)]
pub struct Audit(Database);

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not allowed, or made no sense.
    Refused,
    /// It was tried and did not work.
    Failed,
}

/// What somebody did.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAuditEntry {
    /// Who; of a name that nobody has checked, after a slash.
    pub actor: String,
    /// From where.
    pub source: Option<IpAddr>,
    /// What, such as `device.patch`.
    pub action: String,
    /// To what, such as a device id.
    pub target: Option<String>,
    /// What else there is to say. No secrets.
    pub detail: Option<serde_json::Value>,
    /// How it came out.
    pub outcome: Outcome,
}

/// What somebody did, as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Names this row.
    pub id: String,
    /// When.
    pub at: SystemTime,
    /// What.
    pub entry: NewAuditEntry,
}

impl Outcome {
    /// As the database and the admin routes write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Done, Self::Refused, Self::Failed].into_iter().find(|outcome| outcome.as_str() == text)
    }
}

impl Audit {
    pub(super) fn new(database: Database) -> Self {
        Self(database)
    }

    /// Keeps an entry; its id.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn insert(&self, entry: &NewAuditEntry, now: SystemTime) -> Result<String, StoreError> {
        let mut transaction = self.0.write().await?;
        let id = insert(&mut transaction, entry, now).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Deletes entries that were made before `time`, the oldest first and `most` at most; how many there were.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn delete_before(&self, time: SystemTime, most: u32) -> Result<u64, StoreError> {
        let mut statement = Statement::new("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ");
        statement.bind(millis::from_time(time)).push(" ORDER BY id LIMIT ").bind(i64::from(most)).push(")");
        let mut transaction = self.0.write().await?;
        let deleted = statement.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    /// A page of entries, the newest first.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn list(&self, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        let mut statement =
            Statement::new("SELECT id, at, actor, source_address, action, target, detail, outcome FROM audit");
        if let Some(cursor) = &page.cursor {
            statement.push(" WHERE id < ").bind(cursor.as_str());
        }
        statement.push(" ORDER BY id DESC LIMIT ").bind(page.rows());
        let rows = statement.fetch_all(&self.0.pool).await?;
        let rows = rows.iter().map(AuditEntry::read).collect::<Result<_, _>>()?;
        Ok(page.page(rows, |entry: &AuditEntry| entry.id.clone()))
    }
}

impl AuditEntry {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let source: Option<String> = row.try_get("source_address")?;
        let address =
            |text: String| text.parse().map_err(|_| StoreError::Unreadable { what: "source_address", value: text });
        let entry = NewAuditEntry {
            actor: row.try_get("actor")?,
            source: source.map(address).transpose()?,
            action: row.try_get("action")?,
            target: row.try_get("target")?,
            detail: column::maybe_json(row, "detail")?,
            outcome: column::parsed(row, "outcome", Outcome::parse)?,
        };
        Ok(Self { id: row.try_get("id")?, at: millis::to_time(row.try_get("at")?), entry })
    }
}

/// Keeps an entry, within a transaction; its id.
pub(super) async fn insert(
    transaction: &mut Transaction<'static, Any>,
    entry: &NewAuditEntry,
    now: SystemTime,
) -> Result<String, StoreError> {
    let id = identifier::next(now);
    let mut statement =
        Statement::new("INSERT INTO audit (id, at, actor, source_address, action, target, detail, outcome) VALUES");
    statement.bind_row([
        Value::from(id.as_str()),
        millis::from_time(now).into(),
        entry.actor.as_str().into(),
        entry.source.map(|source| source.to_string()).into(),
        entry.action.as_str().into(),
        entry.target.as_deref().into(),
        entry.detail.as_ref().map(ToString::to_string).into(),
        entry.outcome.as_str().into(),
    ]);
    statement.execute(&mut **transaction).await?;
    Ok(id)
}

//! Table `audit`: what administrators did or tried. The admin listener adds rows and lists them; they are never
//! changed.

use std::net::IpAddr;
use std::time::SystemTime;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::error::StoreError;
use super::page::{Page, PageRequest};
use super::statement::{Statement, Value};
use super::{Database, column, identifier, millis};
use crate::service::base::enum_names::enum_names;

#[derive(Clone)]
pub struct Audit(Database);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    Done,
    /// The action was not allowed or not valid.
    Refused,
    /// The action was tried and did not work.
    Failed,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewAuditEntry {
    /// The administrator's name. A name that was not verified stands after a slash.
    pub actor: String,
    pub source: Option<IpAddr>,
    /// The action, such as `device.patch`.
    pub action: String,
    /// The target, such as a device id.
    pub target: Option<String>,
    /// Further facts. No secrets.
    pub detail: Option<serde_json::Value>,
    pub outcome: AuditOutcome,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub id: String,
    pub at: SystemTime,
    pub entry: NewAuditEntry,
}

enum_names!(AuditOutcome { Done = "done", Refused = "refused", Failed = "failed" });

impl Database {
    pub fn audit(&self) -> Audit {
        Audit(self.clone())
    }
}

impl Audit {
    /// Returns the id of the new entry.
    pub async fn insert(&self, entry: &NewAuditEntry, now: SystemTime) -> Result<String, StoreError> {
        let mut transaction = self.0.write().await?;
        let id = insert(&mut transaction, entry, now).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Deletes up to `most` entries that were made before `time`, the oldest first. Returns how many it deleted.
    pub async fn delete_before(&self, time: SystemTime, most: u32) -> Result<u64, StoreError> {
        let mut statement = Statement::new("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ");
        statement.bind(millis::from_time(time)).push(" ORDER BY id LIMIT ").bind(i64::from(most)).push(")");
        statement.execute_alone(&self.0).await
    }

    /// Lists the newest entries first.
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
            outcome: column::parsed(row, "outcome", AuditOutcome::parse)?,
        };
        Ok(Self { id: row.try_get("id")?, at: millis::to_time(row.try_get("at")?), entry })
    }
}

/// Adds an entry within a transaction. Returns its id.
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

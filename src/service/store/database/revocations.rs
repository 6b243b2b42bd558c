//! Table `revocations`: the tokens, devices, users, organisations and versions of the app that are shut out.
//!
//! The admin listener adds and removes rows; a device's state is read from them. Every instance polls
//! [`RevocationTable::revision`] and then reads [`RevocationTable::live`], so that no request waits for the database.

use std::time::SystemTime;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::error::StoreError;
use super::page::{Page, PageRequest};
use super::revision::RevisionKind;
use super::statement::{Statement, Value};
use super::{Database, column, identifier, millis};
use crate::service::base::enum_names::enum_names;

#[derive(Clone)]
pub struct RevocationTable(Database);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// One token, by its id.
    Jti,
    DeviceId,
    User,
    Org,
    /// All tokens issued to a version of the app.
    AppVersion,
    /// All tokens issued before a time.
    IssuedBefore,
    /// The tokens of a device issued before a time, as `<device>@<Unix second>`.
    DeviceTokens,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRevocation {
    pub kind: RevocationKind,
    pub value: String,
    /// A note for other administrators.
    pub reason: Option<String>,
    pub created_by: String,
    /// When the row may be forgotten; `None` is never. A token cannot be used after its own end anyway.
    pub expires_at: Option<SystemTime>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    pub id: String,
    pub kind: RevocationKind,
    pub value: String,
    pub reason: Option<String>,
    pub created_at: SystemTime,
    pub created_by: String,
    /// `None` is for ever.
    pub expires_at: Option<SystemTime>,
}

enum_names!(RevocationKind {
    Jti = "jti",
    DeviceId = "device_id",
    User = "user",
    Org = "org",
    AppVersion = "app_version",
    IssuedBefore = "issued_before",
    DeviceTokens = "device_tokens",
});

impl Database {
    pub fn revocations(&self) -> RevocationTable {
        RevocationTable(self.clone())
    }
}

impl RevocationTable {
    /// A value that is revoked already keeps its first id, until the later of both ends.
    pub async fn insert(&self, new: &NewRevocation, now: SystemTime) -> Result<Revocation, StoreError> {
        let mut transaction = self.0.write().await?;
        let revocation = insert(&mut transaction, new, now).await?;
        transaction.commit().await?;
        Ok(revocation)
    }

    /// Deletes revocations that ended before `now`. Returns how many it deleted.
    pub async fn delete_expired(&self, now: SystemTime) -> Result<u64, StoreError> {
        let mut statement = Statement::new("DELETE FROM revocations WHERE expires_at <= ");
        statement.bind(millis::from_time(now)).execute_alone(&self.0).await
    }

    /// Lists the newest revocations first.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Revocation>, StoreError> {
        let mut statement = Statement::new(SELECT);
        if let Some(cursor) = &page.cursor {
            statement.push(" WHERE id < ").bind(cursor.as_str());
        }
        statement.push(" ORDER BY id DESC LIMIT ").bind(page.rows());
        let rows = statement.fetch_all(&self.0.pool).await?;
        let rows = rows.iter().map(Revocation::read).collect::<Result<_, _>>()?;
        Ok(page.page(rows, |revocation: &Revocation| revocation.id.clone()))
    }

    /// Returns all revocations in force at `now`, and a [`revision`](Self::revision) that is not newer than they are.
    pub async fn live(&self, now: SystemTime) -> Result<(i64, Vec<Revocation>), StoreError> {
        // The revision comes first: a change in between is then seen twice, not never.
        let revision = self.revision().await?;
        let mut statement = Statement::new(SELECT);
        statement.push(" WHERE expires_at IS NULL OR expires_at > ").bind(millis::from_time(now));
        let rows = statement.push(" ORDER BY id").fetch_all(&self.0.pool).await?;
        Ok((revision, rows.iter().map(Revocation::read).collect::<Result<_, _>>()?))
    }

    /// A number that grows with each change and is cheap to read.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        RevisionKind::Revocations.current(&self.0.pool).await
    }
}

impl Revocation {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("id")?,
            kind: column::parsed(row, "kind", RevocationKind::parse)?,
            value: row.try_get("value")?,
            reason: row.try_get("reason")?,
            created_at: millis::to_time(row.try_get("created_at")?),
            created_by: row.try_get("created_by")?,
            expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(millis::to_time),
        })
    }
}

/// As [`RevocationTable::insert`], within a transaction.
pub(super) async fn insert(
    transaction: &mut Transaction<'static, Any>,
    new: &NewRevocation,
    now: SystemTime,
) -> Result<Revocation, StoreError> {
    let mut statement =
        Statement::new("INSERT INTO revocations (id, kind, value, reason, created_at, created_by, expires_at) VALUES");
    statement.bind_row([
        Value::from(Some(identifier::next(now))),
        new.kind.as_str().into(),
        new.value.as_str().into(),
        new.reason.as_deref().into(),
        millis::from_time(now).into(),
        new.created_by.as_str().into(),
        new.expires_at.map(millis::from_time).into(),
    ]);
    let row = statement.push(MERGE).fetch_optional(&mut **transaction).await?;
    RevisionKind::Revocations.advance(transaction).await?;
    let missing = || StoreError::Unreadable { what: "revocation", value: new.value.clone() };
    Revocation::read(&row.ok_or_else(missing)?)
}

/// Revokes unless a revocation exists that lasts as long; that one then stays unchanged.
pub(super) async fn ensure(
    transaction: &mut Transaction<'static, Any>,
    new: &NewRevocation,
    now: SystemTime,
) -> Result<(), StoreError> {
    let mut statement = Statement::new(SELECT);
    statement.push(" WHERE kind = ").bind(new.kind.as_str()).push(" AND value = ").bind(new.value.as_str());
    statement.push(" AND (expires_at IS NULL");
    if let Some(end) = new.expires_at {
        statement.push(" OR expires_at >= ").bind(millis::from_time(end));
    }
    if statement.push(")").fetch_optional(&mut **transaction).await?.is_none() {
        insert(transaction, new, now).await?;
    }
    Ok(())
}

/// Ends a revocation, within a transaction. Returns whether it existed.
pub(super) async fn delete(transaction: &mut Transaction<'static, Any>, id: &str) -> Result<bool, StoreError> {
    let mut statement = Statement::new("DELETE FROM revocations WHERE id = ");
    delete_by(transaction, statement.bind(id)).await
}

/// Ends the revocation of `value`, within a transaction. Returns whether it existed.
pub(super) async fn delete_of(
    transaction: &mut Transaction<'static, Any>,
    kind: RevocationKind,
    value: &str,
) -> Result<bool, StoreError> {
    let mut statement = Statement::new("DELETE FROM revocations WHERE kind = ");
    statement.bind(kind.as_str()).push(" AND value = ").bind(value);
    delete_by(transaction, &statement).await
}

async fn delete_by(transaction: &mut Transaction<'static, Any>, statement: &Statement<'_>) -> Result<bool, StoreError> {
    let deleted = statement.execute(&mut **transaction).await? > 0;
    if deleted {
        RevisionKind::Revocations.advance(transaction).await?;
    }
    Ok(deleted)
}

const SELECT: &str = "SELECT id, kind, value, reason, created_at, created_by, expires_at FROM revocations";

const MERGE: &str = " ON CONFLICT (kind, value) DO UPDATE SET
    reason = COALESCE(excluded.reason, revocations.reason),
    expires_at = CASE WHEN revocations.expires_at > excluded.expires_at THEN revocations.expires_at
        WHEN revocations.expires_at IS NULL THEN NULL ELSE excluded.expires_at END
    RETURNING id, kind, value, reason, created_at, created_by, expires_at";

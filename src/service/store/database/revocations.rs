//! Table `revocations`: who is shut out.
//!
//! The admin listener adds and removes, which is also what a device's state is read from; every instance polls [`Revocations::revision`] and then asks
//! [`Revocations::live`], so that no request waits for the database.

use std::time::SystemTime;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::error::StoreError;
use super::page::{Page, PageRequest};
use super::revision::Subject;
use super::statement::{Statement, Value};
use super::{Database, column, identifier, millis};

/// Who is shut out.
#[derive(Clone)]
pub struct Revocations(Database);

/// What is shut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// One token.
    Jti,
    /// All tokens of a device.
    DeviceId,
    /// All tokens of a user.
    User,
    /// All tokens of an organisation.
    Org,
    /// All tokens given to a version of the app.
    AppVersion,
    /// All tokens issued before a time.
    IssuedBefore,
    /// The tokens of a device issued before a time, as `<device>@<Unix second>`.
    DeviceTokens,
}

/// What to shut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRevocation {
    /// What `value` names.
    pub kind: RevocationKind,
    /// Which one.
    pub value: String,
    /// Why, for other administrators.
    pub reason: Option<String>,
    /// Who says so.
    pub created_by: String,
    /// When it needs no remembering any more; none is never. A token cannot be used after its own end anyway.
    pub expires_at: Option<SystemTime>,
}

/// Something that is shut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Names this row.
    pub id: String,
    /// What `value` names.
    pub kind: RevocationKind,
    /// Which one.
    pub value: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub created_at: SystemTime,
    /// Who said so.
    pub created_by: String,
    /// Until when; none is for ever.
    pub expires_at: Option<SystemTime>,
}

impl RevocationKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Jti, Self::DeviceId, Self::User, Self::Org, Self::AppVersion, Self::IssuedBefore, Self::DeviceTokens];

    /// As the database and the admin routes write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jti => "jti",
            Self::DeviceId => "device_id",
            Self::User => "user",
            Self::Org => "org",
            Self::AppVersion => "app_version",
            Self::IssuedBefore => "issued_before",
            Self::DeviceTokens => "device_tokens",
        }
    }

    /// Reads what [`as_str`](Self::as_str) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Revocations {
    pub(super) fn new(database: Database) -> Self {
        Self(database)
    }

    /// Shuts out. What is shut out already stays so under its first id, until the later of both ends.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn insert(&self, new: &NewRevocation, now: SystemTime) -> Result<Revocation, StoreError> {
        let mut transaction = self.0.write().await?;
        let revocation = insert(&mut transaction, new, now).await?;
        transaction.commit().await?;
        Ok(revocation)
    }

    /// Lets in again. Whether there was such a row.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn delete(&self, id: &str) -> Result<bool, StoreError> {
        let mut transaction = self.0.write().await?;
        let deleted = delete(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    /// Forgets what ended before `now`; how many there were.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn delete_expired(&self, now: SystemTime) -> Result<u64, StoreError> {
        let mut transaction = self.0.write().await?;
        let mut statement = Statement::new("DELETE FROM revocations WHERE expires_at <= ");
        let deleted = statement.bind(millis::from_time(now)).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    /// A page of them, the newest first.
    ///
    /// # Errors
    /// [`StoreError`]
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

    /// All that shut somebody out at `now`, and the [`revision`](Self::revision) that they belong to at least.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn live(&self, now: SystemTime) -> Result<(i64, Vec<Revocation>), StoreError> {
        // Asked for first: a change in between is then seen twice, not never.
        let revision = self.revision().await?;
        let mut statement = Statement::new(SELECT);
        statement.push(" WHERE expires_at IS NULL OR expires_at > ").bind(millis::from_time(now));
        let rows = statement.push(" ORDER BY id").fetch_all(&self.0.pool).await?;
        Ok((revision, rows.iter().map(Revocation::read).collect::<Result<_, _>>()?))
    }

    /// A number that grows with each change and is cheap to ask for.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn revision(&self) -> Result<i64, StoreError> {
        Subject::Revocations.current(&self.0.pool).await
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

/// Shuts out, within a transaction, as [`Revocations::insert`] does.
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
    Subject::Revocations.advance(transaction).await?;
    let missing = || StoreError::Unreadable { what: "revocation", value: new.value.clone() };
    Revocation::read(&row.ok_or_else(missing)?)
}

/// Shuts out unless that is so already and for as long; what was said of it then stays as it is.
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

/// Lets in again, within a transaction. Whether there was such a row.
pub(super) async fn delete(transaction: &mut Transaction<'static, Any>, id: &str) -> Result<bool, StoreError> {
    let mut statement = Statement::new("DELETE FROM revocations WHERE id = ");
    delete_by(transaction, statement.bind(id)).await
}

/// Lets what `value` names in again, within a transaction. Whether it was shut out.
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
        Subject::Revocations.advance(transaction).await?;
    }
    Ok(deleted)
}

const SELECT: &str = "SELECT id, kind, value, reason, created_at, created_by, expires_at FROM revocations";

const MERGE: &str = " ON CONFLICT (kind, value) DO UPDATE SET
    reason = COALESCE(excluded.reason, revocations.reason),
    expires_at = CASE WHEN revocations.expires_at > excluded.expires_at THEN revocations.expires_at
        WHEN revocations.expires_at IS NULL THEN NULL ELSE excluded.expires_at END
    RETURNING id, kind, value, reason, created_at, created_by, expires_at";

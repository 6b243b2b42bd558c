//! Table `revocations`: who is shut out.
//!
//! The admin listener adds and removes; every instance polls [`Revocations::revision`] and then asks
//! [`Revocations::live`], so that no request waits for the database.

use std::time::SystemTime;

use sqlx::Row;
use sqlx::any::AnyRow;

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
        let mut statement = Statement::new(
            "INSERT INTO revocations (id, kind, value, reason, created_at, created_by, expires_at) VALUES",
        );
        statement.bind_row([
            Value::from(identifier::next(now).as_str()),
            new.kind.as_str().into(),
            new.value.as_str().into(),
            new.reason.as_deref().into(),
            millis::from_time(now).into(),
            new.created_by.as_str().into(),
            new.expires_at.map(millis::from_time).into(),
        ]);
        let row = statement.push(MERGE).fetch_optional(&mut *transaction).await?;
        Subject::Revocations.advance(&mut transaction).await?;
        transaction.commit().await?;
        let missing = || StoreError::Unreadable { what: "revocation", value: new.value.clone() };
        Revocation::read(&row.ok_or_else(missing)?)
    }

    /// Lets in again. Whether there was such a row.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn delete(&self, id: &str) -> Result<bool, StoreError> {
        let mut transaction = self.0.write().await?;
        let mut statement = Statement::new("DELETE FROM revocations WHERE id = ");
        let deleted = statement.bind(id).execute(&mut *transaction).await? > 0;
        if deleted {
            Subject::Revocations.advance(&mut transaction).await?;
        }
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

const SELECT: &str = "SELECT id, kind, value, reason, created_at, created_by, expires_at FROM revocations";

const MERGE: &str = " ON CONFLICT (kind, value) DO UPDATE SET
    reason = COALESCE(excluded.reason, revocations.reason),
    expires_at = CASE WHEN revocations.expires_at > excluded.expires_at THEN revocations.expires_at
        WHEN revocations.expires_at IS NULL THEN NULL ELSE excluded.expires_at END
    RETURNING id, kind, value, reason, created_at, created_by, expires_at";

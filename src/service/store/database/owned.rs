//! Table `owned_objects`: which device owns which batch or file upstream.
//!
//! All devices share one key, and to the upstream everything belongs to that key, so this table decides which device
//! sees what. The routes of batches and files wait for its answers, and so does a request that names a file which its
//! instance does not know. The biller, which looks after batches that no device fetches, reads [`OwnedObjects::due`].

mod row;

use std::time::{Duration, SystemTime};

use sqlx::{Any, Row, Transaction};

pub use self::row::{ObjectKind, OwnedObject};
use super::error::StoreError;
use super::row_insert::RowInsert;
use super::statement::Statement;
use super::{Database, millis};
use crate::wire::DeviceId;

#[derive(Clone)]
pub struct OwnedObjects(Database);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStart {
    Newest,
    /// After this object, towards older ones.
    After(String),
    /// Before this object, towards newer ones.
    Before(String),
}

/// A page in the order of its direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedPage {
    pub objects: Vec<OwnedObject>,
    /// Whether more objects follow in the same direction.
    pub has_more: bool,
}

impl Database {
    pub fn owned_objects(&self) -> OwnedObjects {
        OwnedObjects(self.clone())
    }
}

impl OwnedObjects {
    /// [`StoreError::Refused`] means that the object already has an owner.
    pub async fn insert(&self, object: &OwnedObject) -> Result<(), StoreError> {
        let mut statement = Statement::new(row::INSERT_INTO);
        statement.push(" VALUES");
        statement.bind_row(object.values());
        statement.execute_alone(&self.0).await.map(|_| ())
    }

    /// `None` also when another device owns the object.
    pub async fn find(&self, device: &DeviceId, kind: ObjectKind, id: &str) -> Result<Option<OwnedObject>, StoreError> {
        let mut statement = of(device, kind);
        statement.push(" AND id = ").bind(id);
        statement.fetch_optional(&self.0.pool).await?.as_ref().map(OwnedObject::read).transpose()
    }

    /// The object with this id, of any device.
    pub async fn with_id(&self, id: &str) -> Result<Option<OwnedObject>, StoreError> {
        let mut statement = select();
        statement.push(" WHERE id = ").bind(id);
        statement.fetch_optional(&self.0.pool).await?.as_ref().map(OwnedObject::read).transpose()
    }

    /// Those of `ids`, which are distinct, that name an object of this kind and device. It stops after a statement that has
    /// not found all of its ids, so that unknown ids cost one statement.
    pub async fn of_device(
        &self,
        device: &DeviceId,
        kind: ObjectKind,
        ids: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let mut own = Vec::new();
        for ids in ids.chunks(IDS) {
            let before = own.len();
            let mut statement = of(device, kind);
            statement.push(" AND id IN (");
            for (place, id) in ids.iter().enumerate() {
                statement.push(if place > 0 { ", " } else { "" }).bind(id.as_str());
            }
            for row in statement.push(")").fetch_all(&self.0.pool).await? {
                own.push(row.try_get("id")?);
            }
            if own.len() - before < ids.len() {
                break;
            }
        }
        Ok(own)
    }

    /// At most `limit` objects; `None` if the device does not own the object at which the page starts.
    pub async fn page(
        &self,
        device: &DeviceId,
        kind: ObjectKind,
        start: &PageStart,
        limit: u32,
    ) -> Result<Option<OwnedPage>, StoreError> {
        let (beside, order) = match start {
            PageStart::Newest => (None, "DESC"),
            PageStart::After(id) => (Some((id, " < (")), "DESC"),
            PageStart::Before(id) => (Some((id, " > (")), "ASC"),
        };
        let mut statement = of(device, kind);
        if let Some((id, side)) = beside {
            let Some(beside) = self.find(device, kind, id).await? else { return Ok(None) };
            statement.push(" AND (created_at, id)").push(side).bind(millis::from_time(beside.created_at));
            statement.push(", ").bind(id.as_str()).push(")");
        }
        statement.push(" ORDER BY created_at ").push(order).push(", id ").push(order);
        statement.push(" LIMIT ").bind(i64::from(limit) + 1);
        let rows = statement.fetch_all(&self.0.pool).await?;
        let mut objects = rows.iter().map(OwnedObject::read).collect::<Result<Vec<_>, _>>()?;
        let has_more = objects.len() > limit as usize;
        objects.truncate(limit as usize);
        Ok(Some(OwnedPage { objects, has_more }))
    }

    /// Deletes the row of an object, if this device owns it.
    pub async fn delete(&self, device: &DeviceId, id: &str) -> Result<(), StoreError> {
        let mut statement = Statement::new("DELETE FROM owned_objects WHERE id = ");
        statement.bind(id).push(" AND device = ").bind(device.as_str());
        statement.execute_alone(&self.0).await.map(|_| ())
    }

    /// Records that the upstream does not know an object, or knows it again. The upstream may forget an object for a
    /// moment, so the row is deleted only when the object has been missing for a day.
    pub async fn note_missing(
        &self,
        object: &OwnedObject,
        is_missing: bool,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let since = match (object.missing_since, is_missing) {
            (Some(since), true) if now.duration_since(since).is_ok_and(|missing| missing > MISSING) => {
                return self.delete(&object.device, &object.id).await;
            }
            (None, true) => Some(now),
            (Some(_), false) => None,
            (Some(_), true) | (None, false) => return Ok(()),
        };
        let mut statement = Statement::new("UPDATE owned_objects SET missing_since = ");
        statement.bind(since.map(millis::from_time)).push(" WHERE id = ").bind(object.id.as_str());
        statement.execute_alone(&self.0).await.map(|_| ())
    }

    /// The batch that has waited longest to be looked after.
    pub async fn due(&self, now: SystemTime) -> Result<Option<OwnedObject>, StoreError> {
        let mut statement = select();
        statement.push(" WHERE look_at <= ").bind(millis::from_time(now)).push(" ORDER BY look_at, id LIMIT 1");
        statement.fetch_optional(&self.0.pool).await?.as_ref().map(OwnedObject::read).transpose()
    }

    /// Sets when to look after a batch again; `None` means that its usage is on record. Returns false and changes
    /// nothing if another instance has looked after the batch since it was read.
    pub async fn look_again(&self, batch: &OwnedObject, at: Option<SystemTime>) -> Result<bool, StoreError> {
        let Some(read) = batch.look_at else { return Ok(false) };
        let mut statement = Statement::new("UPDATE owned_objects SET look_at = ");
        statement.bind(at.map(millis::from_time)).push(" WHERE id = ").bind(batch.id.as_str());
        statement.push(" AND look_at = ").bind(millis::from_time(read));
        Ok(statement.execute_alone(&self.0).await? > 0)
    }

    /// Marks the usage of a batch as recorded.
    pub async fn settle(&self, id: &str) -> Result<(), StoreError> {
        let mut statement = Statement::new("UPDATE owned_objects SET look_at = NULL WHERE id = ");
        statement.bind(id).execute_alone(&self.0).await.map(|_| ())
    }
}

/// Adds objects within a transaction. One that has an owner stays that owner's.
pub(super) async fn add(
    transaction: &mut Transaction<'static, Any>,
    mut objects: Vec<OwnedObject>,
) -> Result<(), StoreError> {
    // In the order of their ids, so that two transactions cannot deadlock; of one id the first row counts.
    objects.sort_by(|one, other| (&one.id, one.created_at).cmp(&(&other.id, other.created_at)));
    let rows: Vec<_> = objects.iter().map(OwnedObject::values).collect();
    INSERT.run(&mut *transaction, &rows, &[]).await
}

fn select() -> Statement<'static> {
    let mut statement = Statement::new("SELECT ");
    statement.push(row::COLUMNS).push(" FROM owned_objects");
    statement
}

fn of(device: &DeviceId, kind: ObjectKind) -> Statement<'_> {
    let mut statement = select();
    statement.push(" WHERE device = ").bind(device.as_str()).push(" AND kind = ").bind(kind.as_str());
    statement
}

const INSERT: RowInsert = RowInsert { into: row::INSERT_INTO, on_conflict: "ON CONFLICT (id) DO NOTHING" };

/// The most ids in one statement.
const IDS: usize = 500;

/// After so long the upstream has lost the object and not just forgotten it for a moment.
const MISSING: Duration = Duration::from_secs(24 * 3600);

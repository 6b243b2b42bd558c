//! Table `devices`: when each device was seen, and the overrides that an administrator set for it. Whether a device is
//! revoked is read from the revocations.
//!
//! The usage writer keeps `last_seen`, a [`Change`](super::Change) changes the rest, and the copy in memory that judges
//! requests polls [`DeviceTable::revision`] and then reads [`DeviceTable::changes_after`].

mod changes;
mod row;
mod sighting;

use std::time::SystemTime;

use sqlx::{Any, Transaction};

use self::changes::ChangedIds;
pub use self::changes::DeviceChanges;
pub use self::row::{Device, DevicePatch, DeviceState};
pub use self::sighting::DeviceActivity;
pub(super) use self::sighting::see;
use super::error::StoreError;
use super::page::{Page, PageRequest};
use super::revision::RevisionKind;
use super::revocations::RevocationKind;
use super::statement::{Statement, Value};
use super::{Database, millis};
use crate::wire::DeviceId;

#[derive(Clone)]
pub struct DeviceTable(Database);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// The beginning of the id, the organisation or the user.
    pub prefix: Option<String>,
    pub state: Option<DeviceState>,
}

impl Database {
    pub fn devices(&self) -> DeviceTable {
        DeviceTable(self.clone())
    }
}

impl DeviceTable {
    /// Records sightings by a clock that says `now`. New devices are added.
    pub async fn see(&self, seen: &[DeviceActivity], now: SystemTime) -> Result<(), StoreError> {
        let mut transaction = self.0.write().await?;
        see(&mut transaction, seen, now).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// `now` decides whether the device is revoked.
    pub async fn get(&self, id: &DeviceId, now: SystemTime) -> Result<Option<Device>, StoreError> {
        one(id, now).fetch_optional(&self.0.pool).await?.as_ref().map(Device::read).transpose()
    }

    /// Lists devices by id. `now` decides whether they are revoked.
    pub async fn list(
        &self,
        filter: &DeviceFilter,
        page: &PageRequest,
        now: SystemTime,
    ) -> Result<Page<Device>, StoreError> {
        let mut statement = select(now);
        statement.push(" WHERE 1 = 1");
        if let Some(prefix) = filter.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
            // `LIKE` folds case in SQLite alone.
            let (org, user) = ("COALESCE(ruled_org, org)", "COALESCE(ruled_user, user_name)");
            for (word, column) in [(" AND (", "id"), (" OR ", org), (" OR ", user)] {
                statement.push(word).push("substr(").push(column).push(", 1, CAST(").bind(length);
                statement.push(" AS INTEGER)) = ").bind(prefix);
            }
            statement.push(")");
        }
        if let Some(state) = filter.state {
            statement.push(if state == DeviceState::Revoked { " AND " } else { " AND NOT " });
            is_revoked(&mut statement, now);
        }
        if let Some(cursor) = &page.cursor {
            statement.push(" AND id > ").bind(cursor.as_str());
        }
        statement.push(" ORDER BY id LIMIT ").bind(page.rows());
        let rows = statement.fetch_all(&self.0.pool).await?;
        let devices = rows.iter().map(Device::read).collect::<Result<_, _>>()?;
        Ok(page.page(devices, |device: &Device| device.id.to_string()))
    }

    /// The devices whose overrides an administrator changed at `since` or later, the earliest change first. Since 1970:
    /// all devices with overrides. A deleted device is not among them.
    pub async fn changed_since(&self, since: SystemTime, now: SystemTime) -> Result<Vec<Device>, StoreError> {
        let mut statement = select(now);
        statement.push(" WHERE updated_at >= ").bind(millis::from_time(since)).push(" ORDER BY updated_at, id");
        statement.fetch_all(&self.0.pool).await?.iter().map(Device::read).collect()
    }

    /// The devices that administrators changed after the revision `known`, as they are now. `None` if it is not known
    /// which devices all the changes up to the revision `latest` were about.
    pub async fn changes_after(
        &self,
        known: i64,
        latest: i64,
        now: SystemTime,
    ) -> Result<Option<DeviceChanges>, StoreError> {
        let rows = ChangedIds::statement(known).fetch_all(&self.0.pool).await?;
        let Some(changed) = ChangedIds::read(&rows, known, latest)? else { return Ok(None) };
        let mut statement = select(now);
        changed.narrow(&mut statement);
        let rows = statement.fetch_all(&self.0.pool).await?;
        let found = rows.iter().map(Device::read).collect::<Result<_, _>>()?;
        Ok(Some(changed.with(found)))
    }

    /// A number that grows with each change by an administrator and is cheap to read.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        RevisionKind::Devices.current(&self.0.pool).await
    }
}

pub(super) async fn get(
    transaction: &mut Transaction<'static, Any>,
    id: &DeviceId,
    now: SystemTime,
) -> Result<Option<Device>, StoreError> {
    one(id, now).fetch_optional(&mut **transaction).await?.as_ref().map(Device::read).transpose()
}

/// Applies `patch` but for the state and the key, within a transaction. Adds an unknown device, and returns whether it
/// did.
pub(super) async fn patch(
    transaction: &mut Transaction<'static, Any>,
    id: &DeviceId,
    patch: &DevicePatch,
    now: SystemTime,
) -> Result<bool, StoreError> {
    let mut statement = Statement::new("INSERT INTO devices (id, first_seen, last_seen) VALUES");
    statement.bind_row([Value::from(id.as_str()), row::NEVER.into(), row::NEVER.into()]);
    let added = statement.push(" ON CONFLICT (id) DO NOTHING").execute(&mut **transaction).await?;
    let mut statement = Statement::new("UPDATE devices SET updated_at = ");
    statement.bind(millis::from_time(now));
    for (column, value) in patch.changes() {
        statement.push(", ").push(column).push(" = ").bind(value);
    }
    statement.push(" WHERE id = ").bind(id.as_str()).execute(&mut **transaction).await?;
    changes::record(transaction, id).await?;
    Ok(added > 0)
}

/// Forgets a device and its overrides, within a transaction. Returns whether it existed.
pub(super) async fn delete(transaction: &mut Transaction<'static, Any>, id: &DeviceId) -> Result<bool, StoreError> {
    let mut statement = Statement::new("DELETE FROM devices WHERE id = ");
    let deleted = statement.bind(id.as_str()).execute(&mut **transaction).await? > 0;
    if deleted {
        changes::record(transaction, id).await?;
    }
    Ok(deleted)
}

fn one(id: &DeviceId, now: SystemTime) -> Statement<'_> {
    let mut statement = select(now);
    statement.push(" WHERE id = ").bind(id.as_str());
    statement
}

fn select(now: SystemTime) -> Statement<'static> {
    let mut statement = Statement::new("SELECT ");
    statement.push(row::COLUMNS);
    statement.push(", (SELECT thumbprint FROM device_keys WHERE device = devices.id) AS key_thumbprint, CASE WHEN ");
    is_revoked(&mut statement, now);
    let (revoked, active) = (DeviceState::Revoked.as_str(), DeviceState::Active.as_str());
    for piece in [" THEN '", revoked, "' ELSE '", active, "' END AS state FROM devices"] {
        statement.push(piece);
    }
    statement
}

/// The condition that a device is revoked at `now`. A device has no state of its own, so the two cannot differ.
fn is_revoked(statement: &mut Statement, now: SystemTime) {
    statement.push("EXISTS (SELECT 1 FROM revocations WHERE kind = ").bind(RevocationKind::DeviceId.as_str());
    statement.push(" AND value = devices.id AND (expires_at IS NULL OR expires_at > ");
    statement.bind(millis::from_time(now)).push("))");
}

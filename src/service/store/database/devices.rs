//! Table `devices`: when each device was seen, and the overrides that an administrator set for it. Whether a device is
//! revoked is read from the revocations.
//!
//! The usage writer keeps `last_seen`, a [`Change`](super::Change) changes the rest, and the copy in memory that judges
//! requests polls [`DeviceTable::revision`] and then reads [`DeviceTable::changes_after`].

mod changes;
mod row;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{Any, Transaction};

use self::changes::ChangedIds;
pub use self::changes::DeviceChanges;
pub use self::row::{Device, DevicePatch, DeviceState};
use super::error::StoreError;
use super::page::{Page, PageRequest};
use super::revision::RevisionKind;
use super::revocations::RevocationKind;
use super::row_insert::RowInsert;
use super::statement::{Statement, Value};
use super::{Database, millis};
use crate::wire::DeviceId;

#[derive(Clone)]
pub struct DeviceTable(Database);

/// One sighting of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceActivity {
    pub device: DeviceId,
    pub at: SystemTime,
    pub org: Option<String>,
    pub user: Option<String>,
}

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

/// Records sightings by a clock that says `now`, within a transaction. A sighting that lies ahead of `now` counts as one
/// of this moment: the clock was ahead and is right again.
///
/// Rows are written in the order of their ids, so that two transactions with the same devices cannot deadlock.
pub(super) async fn see(
    transaction: &mut Transaction<'static, Any>,
    seen: &[DeviceActivity],
    now: SystemTime,
) -> Result<(), StoreError> {
    let seen: Vec<_> = each_once(seen, now).into_values().collect();
    let rows: Vec<_> = seen.iter().map(Sight::values).collect();
    let ahead = [millis::from_time(now + CLOCKS_DIFFER); 3].map(Value::from);
    SEE.run(&mut *transaction, &rows, &ahead).await
}

/// All sightings of one device.
struct Sight<'a> {
    device: &'a DeviceId,
    first: SystemTime,
    last: SystemTime,
    org: Option<&'a str>,
    user: Option<&'a str>,
}

impl Sight<'_> {
    fn values(&self) -> [Value<'_>; 5] {
        let (first, last) = (millis::from_time(self.first), millis::from_time(self.last));
        [self.device.as_str().into(), first.into(), last.into(), self.org.into(), self.user.into()]
    }
}

fn each_once(seen: &[DeviceActivity], now: SystemTime) -> BTreeMap<&DeviceId, Sight<'_>> {
    let mut sights = BTreeMap::new();
    for DeviceActivity { device, at, org, user } in seen {
        let (at, org, user) = (now.min(*at), org.as_deref(), user.as_deref());
        let new = Sight { device, first: at, last: UNIX_EPOCH, org, user };
        let sight = sights.entry(device).or_insert(new);
        sight.first = sight.first.min(at);
        if at >= sight.last {
            *sight = Sight { last: at, org, user, ..*sight };
        }
    }
    sights
}

/// How far the clocks of instances may differ without a sighting of another instance counting as one ahead of time.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// Usage may come late, from a spill file: the later sighting counts, whichever is written first. One that lies ahead of
/// time, because a clock was ahead, gives way to any other. A device that only an administrator has named was seen at 0.
/// The organisation and the user are those of the last request, which may have none.
const SEE: RowInsert = RowInsert {
    into: "INSERT INTO devices (id, first_seen, last_seen, org, user_name)",
    on_conflict: "ON CONFLICT (id) DO UPDATE SET
    first_seen = CASE WHEN devices.first_seen = 0 OR excluded.first_seen < devices.first_seen
        THEN excluded.first_seen ELSE devices.first_seen END,
    last_seen = CASE WHEN excluded.last_seen >= devices.last_seen OR devices.last_seen > ?
        THEN excluded.last_seen ELSE devices.last_seen END,
    org = CASE WHEN excluded.last_seen >= devices.last_seen OR devices.last_seen > ?
        THEN excluded.org ELSE devices.org END,
    user_name = CASE WHEN excluded.last_seen >= devices.last_seen OR devices.last_seen > ?
        THEN excluded.user_name ELSE devices.user_name END",
};

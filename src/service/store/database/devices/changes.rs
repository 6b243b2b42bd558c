//! Table `device_changes`: which device each of the last changes by an administrator was about. A poll that knows an
//! earlier revision reads those devices alone.
//!
//! An instance of a version without this table counts its changes and does not tell which device they were about. Such
//! a gap is seen, and all devices are read.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Any, Row, Transaction};

use super::row::Device;
use crate::service::store::database::column;
use crate::service::store::database::error::StoreError;
use crate::service::store::database::revision::RevisionKind;
use crate::service::store::database::statement::{Statement, Value};
use crate::wire::DeviceId;

/// What has become of the devices that administrators changed.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceChanges {
    /// The revision up to which the changes are known.
    pub revision: i64,
    /// Each device once; `None` if it was deleted.
    pub devices: Vec<(DeviceId, Option<Device>)>,
}

/// The revisions after one that is known, and the devices that they were about.
pub(super) struct ChangedIds {
    known: i64,
    revision: i64,
    ids: BTreeSet<DeviceId>,
}

/// Counts a change of a device, in the transaction that makes it.
pub(super) async fn record(transaction: &mut Transaction<'static, Any>, id: &DeviceId) -> Result<(), StoreError> {
    let revision = RevisionKind::Devices.advance(transaction).await?;
    let mut statement = Statement::new("INSERT INTO device_changes (revision, device) VALUES");
    statement.bind_row([Value::from(revision), id.as_str().into()]);
    statement.push(" ON CONFLICT (revision) DO UPDATE SET device = excluded.device");
    statement.execute(&mut **transaction).await?;
    let mut statement = Statement::new("DELETE FROM device_changes WHERE revision <= ");
    statement.bind(revision - KEPT).execute(&mut **transaction).await?;
    Ok(())
}

impl ChangedIds {
    /// The changes after the revision `known`.
    pub(super) fn statement(known: i64) -> Statement<'static> {
        let mut statement = Statement::new("SELECT revision, device FROM device_changes WHERE revision > ");
        statement.bind(known).push(" ORDER BY revision");
        statement
    }

    /// `None` if it is not known which devices the changes from `known` to `latest` were about.
    pub(super) fn read(rows: &[sqlx::any::AnyRow], known: i64, latest: i64) -> Result<Option<Self>, StoreError> {
        let mut changed = Self { known, revision: known, ids: BTreeSet::new() };
        for row in rows {
            let revision: i64 = row.try_get("revision")?;
            if revision != changed.revision + 1 {
                return Ok(None);
            }
            changed.revision = revision;
            changed.ids.insert(column::parsed(row, "device", |id| DeviceId::parse(id).ok())?);
        }
        Ok((known < latest && latest <= changed.revision).then_some(changed))
    }

    /// Narrows a selection of devices to these.
    pub(super) fn narrow(&self, statement: &mut Statement<'_>) {
        statement.push(" WHERE updated_at IS NOT NULL AND id IN (SELECT device FROM device_changes WHERE revision > ");
        statement.bind(self.known).push(" AND revision <= ").bind(self.revision).push(")");
    }

    /// `found` are the devices that exist.
    pub(super) fn with(self, found: Vec<Device>) -> DeviceChanges {
        let mut found: BTreeMap<_, _> = found.into_iter().map(|device| (device.id.clone(), device)).collect();
        let devices = self.ids.into_iter().map(|id| {
            let device = found.remove(&id);
            (id, device)
        });
        DeviceChanges { revision: self.revision, devices: devices.collect() }
    }
}

/// A poll each second is behind by fewer changes.
const KEPT: i64 = 10_000;

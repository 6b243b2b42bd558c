//! An owned object as the database has it.

use std::time::SystemTime;

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::service::base::enum_names::enum_names;
use crate::service::store::database::error::StoreError;
use crate::service::store::database::statement::Value;
use crate::service::store::database::{column, millis};
use crate::wire::DeviceId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    Batch,
    File,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedObject {
    /// The id that the upstream gave.
    pub id: String,
    pub kind: ObjectKind,
    pub device: DeviceId,
    /// The device's organisation when the object was made. So is `user`.
    pub org: Option<String>,
    pub user: Option<String>,
    pub created_at: SystemTime,
    /// When to look after a batch whose usage is not on record; `None` is never.
    pub look_at: Option<SystemTime>,
    /// `None` as far as the upstream knows the object.
    pub missing_since: Option<SystemTime>,
}

enum_names!(ObjectKind { Batch = "batch", File = "file" });

impl OwnedObject {
    /// In the order of [`COLUMNS`].
    pub(super) fn values(&self) -> [Value<'_>; 8] {
        [
            self.id.as_str().into(),
            self.kind.as_str().into(),
            self.device.as_str().into(),
            self.org.as_deref().into(),
            self.user.as_deref().into(),
            millis::from_time(self.created_at).into(),
            self.look_at.map(millis::from_time).into(),
            self.missing_since.map(millis::from_time).into(),
        ]
    }

    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("id")?,
            kind: column::parsed(row, "kind", ObjectKind::parse)?,
            device: column::parsed(row, "device", |id| DeviceId::parse(id).ok())?,
            org: row.try_get("org")?,
            user: row.try_get("user_name")?,
            created_at: millis::to_time(row.try_get("created_at")?),
            look_at: row.try_get::<Option<i64>, _>("look_at")?.map(millis::to_time),
            missing_since: row.try_get::<Option<i64>, _>("missing_since")?.map(millis::to_time),
        })
    }
}

macro_rules! columns {
    () => {
        "id, kind, device, org, user_name, created_at, look_at, missing_since"
    };
}

pub(super) const COLUMNS: &str = columns!();

pub(super) const INSERT_INTO: &str = concat!("INSERT INTO owned_objects (", columns!(), ")");

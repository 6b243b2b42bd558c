//! Table `device_keys`: the key that each device has proved. The first one stays until an administrator lets it go.

use std::time::SystemTime;

use sqlx::{Any, Row, Transaction};

use super::error::StoreError;
use super::statement::{Statement, Value};
use super::{Database, millis};
use crate::wire::DeviceId;

/// The keys of devices, by their thumbprints (RFC 7638).
#[derive(Clone)]
pub struct DeviceKeyTable(Database);

impl DeviceKeyTable {
    pub(super) fn new(database: Database) -> Self {
        Self(database)
    }

    /// The key that a device has, if it has one.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn of(&self, device: &DeviceId) -> Result<Option<String>, StoreError> {
        let row = one(device).fetch_optional(&self.0.pool).await?;
        Ok(row.map(|row| row.try_get("thumbprint")).transpose()?)
    }

    /// Gives a device this key if it has none. The key that it has then: another one, if that came first.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn bind(&self, device: &DeviceId, thumbprint: &str, now: SystemTime) -> Result<String, StoreError> {
        let mut transaction = self.0.write().await?;
        insert(device, thumbprint, now).push(" ON CONFLICT (device) DO NOTHING").execute(&mut *transaction).await?;
        let row = one(device).fetch_optional(&mut *transaction).await?;
        let bound = row.map(|row| row.try_get("thumbprint")).transpose()?;
        transaction.commit().await?;
        bound.ok_or_else(|| StoreError::Unreadable { what: "device key", value: device.to_string() })
    }
}

/// Gives a device this key in place of the one it has, or none, within a transaction.
pub(super) async fn set(
    transaction: &mut Transaction<'static, Any>,
    device: &DeviceId,
    thumbprint: Option<&str>,
    now: SystemTime,
) -> Result<(), StoreError> {
    let mut statement = Statement::new("DELETE FROM device_keys WHERE device = ");
    statement.bind(device.as_str()).execute(&mut **transaction).await?;
    if let Some(thumbprint) = thumbprint {
        insert(device, thumbprint, now).execute(&mut **transaction).await?;
    }
    Ok(())
}

fn one(device: &DeviceId) -> Statement<'_> {
    let mut statement = Statement::new("SELECT thumbprint FROM device_keys WHERE device = ");
    statement.bind(device.as_str());
    statement
}

fn insert<'a>(device: &'a DeviceId, thumbprint: &'a str, now: SystemTime) -> Statement<'a> {
    let mut statement = Statement::new("INSERT INTO device_keys (device, thumbprint, bound_at) VALUES");
    statement.bind_row([Value::from(device.as_str()), thumbprint.into(), millis::from_time(now).into()]);
    statement
}

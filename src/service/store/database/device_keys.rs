//! Table `device_keys`: the key that each device has proved. The first key stays until an administrator releases it.

use std::time::SystemTime;

use sqlx::{Any, Row, Transaction};

use super::error::StoreError;
use super::statement::{Statement, Value};
use super::{Database, millis};
use crate::wire::DeviceId;

/// The keys of devices, by their thumbprints (RFC 7638).
#[derive(Clone)]
pub struct DeviceKeyTable(Database);

impl Database {
    pub fn device_keys(&self) -> DeviceKeyTable {
        DeviceKeyTable(self.clone())
    }
}

impl DeviceKeyTable {
    /// The thumbprint of the device's key.
    pub async fn of(&self, device: &DeviceId) -> Result<Option<String>, StoreError> {
        let row = one(device).fetch_optional(&self.0.pool).await?;
        Ok(row.map(|row| row.try_get("thumbprint")).transpose()?)
    }

    /// Binds a key to a device that has none. Returns the device's key: another one, if that came first.
    pub async fn bind(&self, device: &DeviceId, thumbprint: &str, now: SystemTime) -> Result<String, StoreError> {
        loop {
            let mut transaction = self.0.write().await?;
            let mut statement = insert(device, thumbprint, now);
            statement.push(" ON CONFLICT (device) DO NOTHING").execute(&mut *transaction).await?;
            let row = one(device).fetch_optional(&mut *transaction).await?;
            transaction.commit().await?;
            // An administrator may have released another key between the two statements.
            if let Some(row) = row {
                return Ok(row.try_get("thumbprint")?);
            }
        }
    }
}

/// Replaces the device's key, or removes it, within a transaction.
pub(super) async fn set(
    transaction: &mut Transaction<'static, Any>,
    device: &DeviceId,
    thumbprint: Option<&str>,
    now: SystemTime,
) -> Result<(), StoreError> {
    let statement = if let Some(thumbprint) = thumbprint {
        let mut statement = insert(device, thumbprint, now);
        statement
            .push(" ON CONFLICT (device) DO UPDATE SET thumbprint = excluded.thumbprint, bound_at = excluded.bound_at");
        statement
    } else {
        let mut statement = Statement::new("DELETE FROM device_keys WHERE device = ");
        statement.bind(device.as_str());
        statement
    };
    statement.execute(&mut **transaction).await?;
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

//! A change by an administrator: one transaction with its entry in the audit trail. Neither exists without the other,
//! however the process or the administrator's connection ends.

use std::time::SystemTime;

use sqlx::{Any, Transaction};

use super::Database;
use super::audit::{self, NewAuditEntry};
use super::budgets;
use super::device_keys;
use super::devices::{self, Device, DevicePatch, DeviceState};
use super::error::StoreError;
use super::revocations::{self, NewRevocation, Revocation, RevocationKind};
use crate::service::govern::budgets::{Limits, Subject};
use crate::wire::DeviceId;

/// A change that has begun. [`commit`](Self::commit) makes it; dropped without that, it changes nothing.
///
/// A change that advances several revisions takes them in this order: devices, revocations, budgets. So two changes
/// cannot deadlock.
pub struct Change {
    transaction: Transaction<'static, Any>,
    actor: String,
    now: SystemTime,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PatchedDevice {
    pub device: Device,
    /// Whether the device was unknown before.
    pub is_new: bool,
}

impl Database {
    /// Begins a change by an administrator, which will leave `entry` in the audit trail.
    pub async fn change(&self, entry: &NewAuditEntry, now: SystemTime) -> Result<Change, StoreError> {
        let mut transaction = self.write().await?;
        audit::insert(&mut transaction, entry, now).await?;
        Ok(Change { transaction, actor: entry.actor.clone(), now })
    }
}

impl Change {
    /// An unknown device is added, so that an administrator can set its overrides before it does anything.
    pub async fn patch_device(&mut self, id: &DeviceId, patch: &DevicePatch) -> Result<PatchedDevice, StoreError> {
        let is_new = devices::patch(&mut self.transaction, id, patch, self.now).await?;
        if let Some(key) = &patch.key {
            device_keys::set(&mut self.transaction, id, key.as_deref(), self.now).await?;
        }
        match patch.state {
            Some(DeviceState::Revoked) => self.shut_out(id, "The device's state was set to revoked", None).await?,
            Some(DeviceState::Active) => {
                revocations::delete_of(&mut self.transaction, RevocationKind::DeviceId, id.as_str()).await?;
            }
            None => {}
        }
        let device = devices::get(&mut self.transaction, id, self.now).await?;
        let missing = || StoreError::Unreadable { what: "device", value: id.to_string() };
        Ok(PatchedDevice { device: device.ok_or_else(missing)?, is_new })
    }

    /// Forgets a device and its overrides, but not its usage. Revokes it until `until`, when none of its tokens is
    /// valid any more. Returns whether the device existed.
    pub async fn delete_device(&mut self, id: &DeviceId, until: SystemTime) -> Result<bool, StoreError> {
        let deleted = devices::delete(&mut self.transaction, id).await?;
        if deleted {
            device_keys::set(&mut self.transaction, id, None, self.now).await?;
            self.shut_out(id, "The device was deleted", Some(until)).await?;
        }
        Ok(deleted)
    }

    /// Revokes as [`RevocationTable::insert`](super::RevocationTable::insert) does.
    pub async fn revoke(&mut self, new: &NewRevocation) -> Result<Revocation, StoreError> {
        revocations::insert(&mut self.transaction, new, self.now).await
    }

    /// Ends a revocation. Returns whether it existed.
    pub async fn let_in(&mut self, revocation: &str) -> Result<bool, StoreError> {
        revocations::delete(&mut self.transaction, revocation).await
    }

    /// Replaces the budget of a user or an organisation; the budget of a device is changed with the device. Returns
    /// whether there was none.
    pub async fn set_budget(&mut self, subject: &Subject, limits: &Limits) -> Result<bool, StoreError> {
        budgets::set(&mut self.transaction, subject, limits, self.now).await
    }

    /// Puts the service's default budget back. Returns whether there was another.
    pub async fn remove_budget(&mut self, subject: &Subject) -> Result<bool, StoreError> {
        budgets::remove(&mut self.transaction, subject).await
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }

    async fn shut_out(&mut self, id: &DeviceId, reason: &str, until: Option<SystemTime>) -> Result<(), StoreError> {
        let new = NewRevocation {
            kind: RevocationKind::DeviceId,
            value: id.to_string(),
            reason: Some(reason.to_owned()),
            created_by: self.actor.clone(),
            expires_at: until,
        };
        revocations::ensure(&mut self.transaction, &new, self.now).await
    }
}

//! Table `owned_references`: which device owns a message or a container that requests may refer to.
//!
//! The usage writer adds rows together with the usage of the requests that made them. A request whose references its
//! instance does not know waits for an answer from this table.

use std::time::SystemTime;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::error::StoreError;
use super::row_insert::RowInsert;
use super::statement::{Statement, Value};
use super::{Database, column, millis};
use crate::service::meter::usage::{Reference, ReferenceKind};
use crate::wire::DeviceId;

#[derive(Clone)]
pub struct OwnedReferences(Database);

/// A reference of a device.
pub(super) struct NewReference<'a> {
    pub(super) reference: &'a Reference,
    pub(super) device: &'a DeviceId,
    /// When the upstream has forgotten it for certain.
    pub(super) until: SystemTime,
}

impl Database {
    pub fn owned_references(&self) -> OwnedReferences {
        OwnedReferences(self.clone())
    }
}

impl OwnedReferences {
    /// Those of `ids`, which are distinct, that this device owns and the upstream may still have. It stops after a statement
    /// that has not found all of its ids, so that unknown ids cost one statement.
    pub async fn of_device(
        &self,
        device: &DeviceId,
        ids: &[String],
        now: SystemTime,
    ) -> Result<Vec<Reference>, StoreError> {
        let mut found = Vec::new();
        for ids in ids.chunks(IDS) {
            let before = found.len();
            let mut statement = Statement::new("SELECT id, kind, tokens FROM owned_references WHERE device = ");
            statement.bind(device.as_str()).push(" AND expires_at > ").bind(millis::from_time(now));
            statement.push(" AND id IN (");
            for (place, id) in ids.iter().enumerate() {
                statement.push(if place > 0 { ", " } else { "" }).bind(id.as_str());
            }
            for row in statement.push(")").fetch_all(&self.0.pool).await? {
                found.push(read(&row)?);
            }
            if found.len() - before < ids.len() {
                break;
            }
        }
        Ok(found)
    }

    /// Whether any device owns the message with this id, and the upstream may still have it.
    pub async fn has_message(&self, id: &str, now: SystemTime) -> Result<bool, StoreError> {
        let mut statement = Statement::new("SELECT id FROM owned_references WHERE id = ");
        statement.bind(id).push(" AND kind = ").bind(ReferenceKind::Message.as_str());
        statement.push(" AND expires_at > ").bind(millis::from_time(now));
        Ok(statement.fetch_optional(&self.0.pool).await?.is_some())
    }

    /// Deletes up to `most` references that the upstream has forgotten. Returns how many it deleted.
    pub async fn delete_expired(&self, now: SystemTime, most: u32) -> Result<u64, StoreError> {
        let mut statement = Statement::new("DELETE FROM owned_references WHERE id IN (");
        statement.push("SELECT id FROM owned_references WHERE expires_at <= ").bind(millis::from_time(now));
        statement.push(" ORDER BY expires_at, id LIMIT ").bind(i64::from(most)).push(")");
        statement.execute_alone(&self.0).await
    }
}

/// Adds references within a transaction. One that its device owns already lives as long as by the latest record; one of
/// another device stays that device's.
pub(super) async fn add(
    transaction: &mut Transaction<'static, Any>,
    mut references: Vec<NewReference<'_>>,
) -> Result<(), StoreError> {
    // In the order of their ids, so that two transactions cannot deadlock; and one statement may not touch a row twice.
    references.sort_by(|one, other| (&one.reference.id, one.until).cmp(&(&other.reference.id, other.until)));
    references.dedup_by(|later, kept| {
        let is_same = later.reference.id == kept.reference.id;
        if is_same && later.device == kept.device {
            std::mem::swap(later, kept);
        }
        is_same
    });
    let rows: Vec<_> = references.iter().map(NewReference::values).collect();
    INSERT.run(&mut *transaction, &rows, &[]).await
}

impl NewReference<'_> {
    fn values(&self) -> [Value<'_>; 5] {
        let Reference { kind, id, tokens } = self.reference;
        [
            Value::from(&**id),
            kind.as_str().into(),
            self.device.as_str().into(),
            tokens.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX)).into(),
            millis::from_time(self.until).into(),
        ]
    }
}

fn read(row: &AnyRow) -> Result<Reference, StoreError> {
    Ok(Reference {
        id: row.try_get::<String, _>("id")?.into(),
        kind: column::parsed(row, "kind", ReferenceKind::parse)?,
        tokens: column::maybe_number(row, "tokens")?,
    })
}

const INSERT: RowInsert = RowInsert {
    into: "INSERT INTO owned_references (id, kind, device, tokens, expires_at)",
    // A spilled row may come after a later one.
    on_conflict: "ON CONFLICT (id) DO UPDATE SET tokens = COALESCE(excluded.tokens, owned_references.tokens), \
                  expires_at = CASE WHEN excluded.expires_at > owned_references.expires_at \
                  THEN excluded.expires_at ELSE owned_references.expires_at END \
                  WHERE owned_references.device = excluded.device",
};

/// The most ids in one statement.
const IDS: usize = 500;

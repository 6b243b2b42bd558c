//! Table `usage_records`: one row for each relayed request, and sums of rows.
//!
//! The usage writer adds rows, the admin listener reads them, and retention deletes the old ones.

mod costs;
mod row;
mod totals;

use std::time::{Duration, SystemTime};

use sqlx::{Any, Transaction};

pub use self::costs::Costs;
pub use self::row::UsageRow;
pub use self::totals::{Totals, TotalsBy};
use super::devices::{self, DeviceActivity};
use super::error::StoreError;
use super::owned::{self, ObjectKind, OwnedObject};
use super::page::{Page, PageRequest};
use super::references::{self, NewReference};
use super::revision::RevisionKind;
use super::row_insert::RowInsert;
use super::statement::Statement;
use super::{Database, millis};
use crate::service::base::model_id::plain_id;
use crate::service::meter::usage::BATCH_ROUTE;
use crate::wire::DeviceId;

#[derive(Clone)]
pub struct UsageHistory(Database);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageFilter {
    pub device: Option<DeviceId>,
    pub user: Option<String>,
    pub org: Option<String>,
    /// The model that answered, else the one asked for.
    pub model: Option<String>,
    /// Requests that ended at this time or later.
    pub from: Option<SystemTime>,
    /// Requests that ended before this time.
    pub to: Option<SystemTime>,
}

impl Database {
    pub fn usage(&self) -> UsageHistory {
        UsageHistory(self.clone())
    }
}

impl UsageHistory {
    /// Adds all rows or none, by a clock that says `now`, with what their devices own by them, and records that the devices
    /// were seen. A row whose request id exists changes nothing.
    pub async fn insert(&self, rows: &[UsageRow], now: SystemTime) -> Result<(), StoreError> {
        let mut transaction = self.0.write().await?;
        insert(&mut transaction, rows).await?;
        references::add(&mut transaction, rows.iter().flat_map(references_of).collect()).await?;
        owned::add(&mut transaction, rows.iter().flat_map(files_of).collect()).await?;
        // The usage of a batch tells neither when its device was active nor its present organisation and user.
        let seen: Vec<_> = rows.iter().filter(|row| row.route != BATCH_ROUTE).map(seen).collect();
        devices::see(&mut transaction, &seen, now).await?;
        // Last: transactions with late rows come one after another from here on.
        if rows.iter().any(|row| now.duration_since(row.finished_at).is_ok_and(|age| age > LATE)) {
            RevisionKind::LateUsage.advance(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes up to `most` requests that ended before `time`, the oldest first. Returns how many it deleted.
    pub async fn delete_before(&self, time: SystemTime, most: u32) -> Result<u64, StoreError> {
        let mut statement = Statement::new("DELETE FROM usage_records WHERE request_id IN (");
        statement.push("SELECT request_id FROM usage_records WHERE finished_at < ").bind(millis::from_time(time));
        statement.push(" ORDER BY finished_at, request_id LIMIT ").bind(i64::from(most)).push(")");
        statement.execute_alone(&self.0).await
    }

    /// Lists the newest requests first.
    pub async fn list(&self, filter: &UsageFilter, page: &PageRequest) -> Result<Page<UsageRow>, StoreError> {
        let mut statement = Statement::new("SELECT ");
        statement.push(row::COLUMNS).push(" FROM usage_records");
        filter.narrow(&mut statement);
        if let Some(cursor) = &page.cursor {
            let (millis, id) = cursor.split_once('.').ok_or(StoreError::Cursor)?;
            let millis: i64 = millis.parse().map_err(|_| StoreError::Cursor)?;
            statement.push(" AND (finished_at, request_id) < (").bind(millis).push(", ").bind(id).push(")");
        }
        statement.push(" ORDER BY finished_at DESC, request_id DESC LIMIT ").bind(page.rows());
        let rows = statement.fetch_all(&self.0.pool).await?;
        let rows = rows.iter().map(UsageRow::read).collect::<Result<_, _>>()?;
        Ok(page.page(rows, |row: &UsageRow| format!("{}.{}", millis::from_time(row.finished_at), row.request_id)))
    }

    /// One sum for each value of `by`, in the order of these values; the sum of requests without a value comes first.
    pub async fn totals(&self, by: TotalsBy, filter: &UsageFilter) -> Result<Vec<Totals>, StoreError> {
        let mut statement = Statement::new("SELECT ");
        statement.push(by.key()).push(" AS key, ").push(totals::SUMS).push(" FROM usage_records");
        filter.narrow(&mut statement);
        let rows = statement.push(" GROUP BY 1").fetch_all(&self.0.pool).await?;
        let mut totals = rows.iter().map(|row| Totals::read(by, row)).collect::<Result<Vec<_>, _>>()?;
        // The two databases sort texts differently.
        totals.sort_by(|one, other| one.key.cmp(&other.key));
        // Ids of one model, dated or not, have one sum.
        totals.dedup_by(|next, sum| next.key == sum.key && sum.add(next));
        Ok(totals)
    }

    /// A number that grows when rows are added whose requests ended more than half a minute before, such as spilled
    /// ones. All other rows are there a minute after their request, or not at all.
    pub async fn late_revision(&self) -> Result<i64, StoreError> {
        RevisionKind::LateUsage.current(&self.0.pool).await
    }

    /// The costs of requests that ended at `from` or later and before `to`. The index by time finds them.
    pub async fn costs(&self, from: SystemTime, to: SystemTime) -> Result<Vec<Costs>, StoreError> {
        let mut statement = Statement::new(costs::SELECT);
        statement.bind(millis::from_time(from)).push(" AND finished_at < ").bind(millis::from_time(to));
        let rows = statement.push(costs::GROUPED).fetch_all(&self.0.pool).await?;
        rows.iter().map(Costs::read).collect()
    }
}

impl UsageFilter {
    fn narrow<'a>(&'a self, statement: &mut Statement<'a>) {
        statement.push(" WHERE 1 = 1");
        let texts = [
            ("device", self.device.as_ref().map(DeviceId::as_str)),
            ("user_name", self.user.as_deref()),
            ("org", self.org.as_deref()),
        ];
        for (column, text) in texts {
            if let Some(text) = text {
                statement.push(" AND ").push(column).push(" = ").bind(text);
            }
        }
        if let Some(model) = &self.model {
            let plain = plain_id(model);
            statement.push(" AND (").push(row::MODEL).push(" = ").bind(model.as_str());
            statement.push(" OR ").push(row::UNSUFFIXED_MODEL).push(" = ").bind(plain);
            // A snapshot: the id, a hyphen, and eight digits.
            statement
                .push(" OR RTRIM(")
                .push(row::UNSUFFIXED_MODEL)
                .push(", '0123456789') = ")
                .bind(Some(format!("{plain}-")));
            let length = i64::try_from(plain.chars().count() + "-20260101".len()).unwrap_or(i64::MAX);
            statement.push(" AND LENGTH(").push(row::UNSUFFIXED_MODEL).push(") = ").bind(length).push(")");
        }
        for (condition, time) in [(" AND finished_at >= ", self.from), (" AND finished_at < ", self.to)] {
            if let Some(time) = time {
                statement.push(condition).bind(millis::from_time(time));
            }
        }
    }
}

/// Rows are written in the order of their ids, so that two transactions with the same rows cannot deadlock.
async fn insert(transaction: &mut Transaction<'static, Any>, rows: &[UsageRow]) -> Result<(), StoreError> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_unstable_by(|one, other| one.request_id.cmp(&other.request_id));
    let rows: Vec<_> = rows.into_iter().map(UsageRow::values).collect();
    INSERT.run(&mut *transaction, &rows, &[]).await
}

/// What the upstream forgets by itself.
fn references_of(row: &UsageRow) -> impl Iterator<Item = NewReference<'_>> {
    row.references.iter().filter_map(move |reference| {
        let until = row.finished_at + reference.kind.life()?;
        Some(NewReference { reference, device: &row.device, until })
    })
}

/// The files that code has made: like files that a device uploads, they stay until they are deleted.
fn files_of(row: &UsageRow) -> impl Iterator<Item = OwnedObject> {
    row.files.iter().map(move |id| OwnedObject {
        id: id.clone(),
        kind: ObjectKind::File,
        device: row.device.clone(),
        org: row.org.clone(),
        user: row.user.clone(),
        created_at: row.finished_at,
        look_at: None,
        missing_since: None,
    })
}

fn seen(row: &UsageRow) -> DeviceActivity {
    DeviceActivity { device: row.device.clone(), at: row.finished_at, org: row.org.clone(), user: row.user.clone() }
}

/// The writer tries for half a minute at most to add rows that are not late yet.
const LATE: Duration = Duration::from_secs(30);

const INSERT: RowInsert = RowInsert { into: row::INSERT_INTO, on_conflict: "ON CONFLICT (request_id) DO NOTHING" };

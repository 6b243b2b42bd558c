//! Table `usage_records`: one row for each relayed request, and sums of them.
//!
//! The writer of usage adds rows; the admin listener reads them; what is older than the settings say is deleted.

mod costs;
mod row;
mod totals;

use std::time::SystemTime;

use sqlx::{Any, Transaction};

pub use self::costs::Costs;
pub use self::row::UsageRow;
pub use self::totals::{Totals, TotalsBy};
use super::devices::{self, Seen};
use super::error::StoreError;
use super::page::{Page, PageRequest};
use super::row_insert::RowInsert;
use super::statement::Statement;
use super::{Database, millis};
use crate::service::meter::usage::BATCH_ROUTE;
use crate::wire::DeviceId;

/// Every relayed request.
#[derive(Clone)]
pub struct UsageHistory(Database);

/// Which requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Of this user.
    pub user: Option<String>,
    /// Of this organisation.
    pub org: Option<String>,
    /// With this model: the one that answered, else the one asked for.
    pub model: Option<String>,
    /// That ended at this time or later.
    pub from: Option<SystemTime>,
    /// That ended before this time.
    pub to: Option<SystemTime>,
}

impl UsageHistory {
    pub(super) fn new(database: Database) -> Self {
        Self(database)
    }

    /// Adds rows, and notes that their devices were seen. A row whose request id is there already changes nothing.
    ///
    /// # Errors
    /// [`StoreError`]; then none is added.
    pub async fn insert(&self, rows: &[UsageRow]) -> Result<(), StoreError> {
        let mut transaction = self.0.write().await?;
        insert(&mut transaction, rows).await?;
        // What a batch used says nothing of where its device is now, or whose.
        let seen: Vec<_> = rows.iter().filter(|row| row.route != BATCH_ROUTE).map(seen).collect();
        devices::see(&mut transaction, &seen).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes requests that ended before `time`, the oldest first and `most` at most; how many there were.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn delete_before(&self, time: SystemTime, most: u32) -> Result<u64, StoreError> {
        let mut statement = Statement::new("DELETE FROM usage_records WHERE request_id IN (");
        statement.push("SELECT request_id FROM usage_records WHERE finished_at < ").bind(millis::from_time(time));
        statement.push(" ORDER BY finished_at, request_id LIMIT ").bind(i64::from(most)).push(")");
        let mut transaction = self.0.write().await?;
        let deleted = statement.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    /// A page of requests, the newest first.
    ///
    /// # Errors
    /// [`StoreError`]
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

    /// Sums, one for each value of `by`, in the order of these values; first what has none.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn totals(&self, by: TotalsBy, filter: &UsageFilter) -> Result<Vec<Totals>, StoreError> {
        let mut statement = Statement::new("SELECT ");
        statement.push(by.key()).push(" AS key, ").push(totals::SUMS).push(" FROM usage_records");
        filter.narrow(&mut statement);
        let rows = statement.push(" GROUP BY 1").fetch_all(&self.0.pool).await?;
        let mut totals = rows.iter().map(|row| Totals::read(by, row)).collect::<Result<Vec<_>, _>>()?;
        // The two databases have different alphabets.
        totals.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(totals)
    }

    /// What was spent by requests that ended at `from` or later and before `to`. The index by time finds them.
    ///
    /// # Errors
    /// [`StoreError`]
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
            (row::MODEL, self.model.as_deref()),
        ];
        for (column, text) in texts {
            if let Some(text) = text {
                statement.push(" AND ").push(column).push(" = ").bind(text);
            }
        }
        for (condition, time) in [(" AND finished_at >= ", self.from), (" AND finished_at < ", self.to)] {
            if let Some(time) = time {
                statement.push(condition).bind(millis::from_time(time));
            }
        }
    }
}

/// Rows are taken in the order of their ids: two transactions with the same rows then cannot wait for each other.
async fn insert(transaction: &mut Transaction<'static, Any>, rows: &[UsageRow]) -> Result<(), StoreError> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_unstable_by(|one, other| one.request_id.cmp(&other.request_id));
    let rows: Vec<_> = rows.into_iter().map(UsageRow::values).collect();
    INSERT.run(&mut *transaction, &rows).await
}

fn seen(row: &UsageRow) -> Seen {
    Seen { device: row.device.clone(), at: row.finished_at, org: row.org.clone(), user: row.user.clone() }
}

const INSERT: RowInsert = RowInsert { into: row::INSERT_INTO, on_conflict: "ON CONFLICT (request_id) DO NOTHING" };

//! Table `budgets`: what single users and organisations may spend. The budget of a device is in its own row.
//!
//! A [`Change`](super::Change) changes it. Every instance polls [`BudgetTable::revision`] and then reads
//! [`BudgetTable::all`].

use std::time::SystemTime;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::error::StoreError;
use super::page::{Page, PageRequest};
use super::revision::RevisionKind as Counted;
use super::statement::{Statement, Value};
use super::{Database, column, millis};
use crate::service::govern::budgets::{Limits, Subject, SubjectKind};
use crate::service::meter::money::MicroDollars;

#[derive(Clone)]
pub struct BudgetTable(Database);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    pub subject: Subject,
    pub limits: Limits,
    /// The last change by an administrator.
    pub updated_at: SystemTime,
}

impl Database {
    pub fn budgets(&self) -> BudgetTable {
        BudgetTable(self.clone())
    }
}

impl BudgetTable {
    /// Lists budgets by kind and name.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Budget>, StoreError> {
        let mut statement = Statement::new(SELECT);
        if let Some(cursor) = &page.cursor {
            let (kind, name) = cursor.split_once('.').ok_or(StoreError::Cursor)?;
            statement.push(" WHERE (kind, name) > (").bind(kind).push(", ").bind(name).push(")");
        }
        statement.push(" ORDER BY kind, name LIMIT ").bind(page.rows());
        let rows = statement.fetch_all(&self.0.pool).await?;
        let budgets = rows.iter().map(Budget::read).collect::<Result<_, _>>()?;
        Ok(page.page(budgets, |budget: &Budget| format!("{}.{}", budget.subject.kind().name(), budget.subject.name())))
    }

    /// Returns all budgets, and a [`revision`](Self::revision) that is not newer than they are.
    pub async fn all(&self) -> Result<(i64, Vec<Budget>), StoreError> {
        // The revision comes first: a change in between is then seen twice, not never.
        let revision = self.revision().await?;
        let rows = Statement::new(SELECT).fetch_all(&self.0.pool).await?;
        Ok((revision, rows.iter().map(Budget::read).collect::<Result<_, _>>()?))
    }

    /// A number that grows with each change and is cheap to read.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        Counted::Budgets.current(&self.0.pool).await
    }
}

impl Budget {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let kind = column::parsed(row, "kind", SubjectKind::parse)?;
        let limit = |column| Ok::<_, StoreError>(column::maybe_number(row, column)?.map(MicroDollars::new));
        Ok(Self {
            subject: column::parsed(row, "name", |name| Subject::named(kind, name))?,
            limits: Limits {
                day: limit("day_microusd")?,
                week: limit("week_microusd")?,
                month: limit("month_microusd")?,
            },
            updated_at: millis::to_time(row.try_get("updated_at")?),
        })
    }
}

/// Replaces the budget of `subject`, within a transaction. Returns whether there was none.
pub(super) async fn set(
    transaction: &mut Transaction<'static, Any>,
    subject: &Subject,
    limits: &Limits,
    now: SystemTime,
) -> Result<bool, StoreError> {
    // Comes first, so that two changes of the same budget wait for each other.
    Counted::Budgets.advance(transaction).await?;
    let is_new = !delete(transaction, subject).await?;
    let mut statement = Statement::new(
        "INSERT INTO budgets (kind, name, day_microusd, week_microusd, month_microusd, updated_at) VALUES",
    );
    let whole = |limit: Option<MicroDollars>| limit.map(|limit| i64::try_from(limit.get()).unwrap_or(i64::MAX));
    statement.bind_row([
        Value::from(subject.kind().name()),
        subject.name().into(),
        whole(limits.day).into(),
        whole(limits.week).into(),
        whole(limits.month).into(),
        millis::from_time(now).into(),
    ]);
    statement.execute(&mut **transaction).await?;
    Ok(is_new)
}

/// Removes the budget of `subject`, within a transaction. Returns whether there was one.
pub(super) async fn remove(transaction: &mut Transaction<'static, Any>, subject: &Subject) -> Result<bool, StoreError> {
    let removed = delete(transaction, subject).await?;
    if removed {
        Counted::Budgets.advance(transaction).await?;
    }
    Ok(removed)
}

async fn delete(transaction: &mut Transaction<'static, Any>, subject: &Subject) -> Result<bool, StoreError> {
    let mut statement = Statement::new("DELETE FROM budgets WHERE kind = ");
    statement.bind(subject.kind().name()).push(" AND name = ").bind(subject.name());
    Ok(statement.execute(&mut **transaction).await? > 0)
}

const SELECT: &str = "SELECT kind, name, day_microusd, week_microusd, month_microusd, updated_at FROM budgets";

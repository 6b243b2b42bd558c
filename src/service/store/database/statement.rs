//! SQL whose shape depends on the request, with its values bound.
//!
//! The builder of sqlx writes `?` for a database that is chosen at run time, but PostgreSQL knows only `$1`.

use std::borrow::Cow;
use std::fmt::Write as _;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyExecutor};

use super::Database;
use super::error::StoreError;

/// SQL in the making. Its text comes from this program alone; values are bound.
pub(super) struct Statement<'a> {
    sql: String,
    values: Vec<Value<'a>>,
}

pub(super) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Whole(Option<i64>),
}

impl<'a> Statement<'a> {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    pub(super) fn bind(&mut self, value: impl Into<Value<'a>>) -> &mut Self {
        self.values.push(value.into());
        // Writing to a String cannot fail.
        let _ = write!(self.sql, "${}", self.values.len());
        self
    }

    /// Adds a row of a `VALUES` list.
    pub(super) fn bind_row(&mut self, values: impl IntoIterator<Item = Value<'a>>) {
        self.push(if self.sql.ends_with(')') { ", (" } else { " (" });
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                self.push(", ");
            }
            self.bind(value);
        }
        self.push(")");
    }

    pub(super) async fn fetch_all(&self, from: impl AnyExecutor<'_>) -> Result<Vec<AnyRow>, StoreError> {
        Ok(from.fetch_all(self.query()).await?)
    }

    pub(super) async fn fetch_optional(&self, from: impl AnyExecutor<'_>) -> Result<Option<AnyRow>, StoreError> {
        Ok(from.fetch_optional(self.query()).await?)
    }

    /// Returns how many rows changed.
    pub(super) async fn execute(&self, on: impl AnyExecutor<'_>) -> Result<u64, StoreError> {
        Ok(on.execute(self.query()).await?.rows_affected())
    }

    /// As [`execute`](Self::execute), in a transaction of its own.
    pub(super) async fn execute_alone(&self, on: &Database) -> Result<u64, StoreError> {
        let mut transaction = on.write().await?;
        let changed = self.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    /// The text differs from call to call, so the server need not remember it.
    fn query(&self) -> Query<'_, Any, AnyArguments<'_>> {
        let query = sqlx::query(&self.sql).persistent(false);
        self.values.iter().fold(query, |query, value| value.bind_to(query))
    }
}

impl Value<'_> {
    pub(super) fn bind_to<'q>(&'q self, query: Query<'q, Any, AnyArguments<'q>>) -> Query<'q, Any, AnyArguments<'q>> {
        match self {
            Self::Text(text) => query.bind(text.as_deref()),
            Self::Whole(number) => query.bind(*number),
        }
    }
}

/// PostgreSQL's texts have no NUL, and a name in a request may hold one.
fn storable<'a>(text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    let text = text.into();
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(storable(text)))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(storable))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(storable))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Whole(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Whole(number)
    }
}

/// A column holds half of the range at most; no count gets there.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Whole(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

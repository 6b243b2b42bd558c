//! SQL whose shape depends on what is asked, with its values bound.
//!
//! sqlx's own builder writes `?` for a database that is chosen at run time; PostgreSQL knows only `$1`.

use std::fmt::Write as _;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyExecutor, Executor};

use super::error::StoreError;

/// SQL in the making. Text comes from this program alone, values are bound.
pub(super) struct Statement {
    sql: String,
    values: Vec<Value>,
}

/// What can be bound.
pub(super) enum Value {
    Text(Option<String>),
    Whole(Option<i64>),
}

impl Statement {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// Adds text.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a value.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        // Writing to a String cannot fail.
        let _ = write!(self.sql, "${}", self.values.len());
        self
    }

    /// Adds a row of a `VALUES` list.
    pub(super) fn bind_row(&mut self, values: impl IntoIterator<Item = Value>) {
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

    /// Runs it; how many rows it changed.
    pub(super) async fn execute(&self, on: impl AnyExecutor<'_>) -> Result<u64, StoreError> {
        Ok(on.execute(self.query()).await?.rows_affected())
    }

    /// Runs a list of rows, as fast as the database can: SQLite looks names such as `$1` up one by one, each time through
    /// all of them, and takes `?` for the next value.
    pub(super) async fn execute_rows(&self, on: &mut AnyConnection) -> Result<u64, StoreError> {
        let unnumbered;
        let sql = if on.backend_name() == "SQLite" {
            unnumbered = without_numbers(&self.sql);
            &unnumbered
        } else {
            &self.sql
        };
        Ok(on.execute(self.bound(sqlx::query(sql).persistent(false))).await?.rows_affected())
    }

    /// Its text differs from call to call, so the server need not remember it.
    fn query(&self) -> Query<'_, Any, AnyArguments<'_>> {
        self.bound(sqlx::query(&self.sql).persistent(false))
    }

    fn bound<'a>(&'a self, query: Query<'a, Any, AnyArguments<'a>>) -> Query<'a, Any, AnyArguments<'a>> {
        self.values.iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text.as_deref()),
            Value::Whole(number) => query.bind(*number),
        })
    }
}

/// Each value is named once and in order, so the numbers say nothing.
fn without_numbers(sql: &str) -> String {
    let mut pieces = sql.split('$');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push('?');
        text.push_str(piece.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    }
    text
}

/// PostgreSQL's texts have no NUL, and a name in a request may hold one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(storable(text)))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(storable))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Whole(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Whole(number)
    }
}

/// The column can hold no more than half of them; a count never gets there.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

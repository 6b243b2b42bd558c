//! Reads columns whose types are narrower here than in the database. A value that does not fit is
//! [`StoreError::Unreadable`].

use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::StoreError;

pub(super) fn number<T: TryFrom<i64>>(row: &AnyRow, column: &'static str) -> Result<T, StoreError> {
    maybe_number(row, column)?.ok_or_else(|| StoreError::Unreadable { what: column, value: "NULL".to_owned() })
}

pub(super) fn maybe_number<T: TryFrom<i64>>(row: &AnyRow, column: &'static str) -> Result<Option<T>, StoreError> {
    let number: Option<i64> = row.try_get(column)?;
    let narrow = |number: i64| {
        T::try_from(number).map_err(|_| StoreError::Unreadable { what: column, value: number.to_string() })
    };
    number.map(narrow).transpose()
}

pub(super) fn parsed<T>(
    row: &AnyRow,
    column: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, StoreError> {
    let value: String = row.try_get(column)?;
    parse(&value).ok_or(StoreError::Unreadable { what: column, value })
}

pub(super) fn maybe_parsed<T>(
    row: &AnyRow,
    column: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let Some(value) = row.try_get::<Option<String>, _>(column)? else { return Ok(None) };
    parse(&value).map(Some).ok_or(StoreError::Unreadable { what: column, value })
}

pub(super) fn maybe_json<T: DeserializeOwned>(row: &AnyRow, column: &'static str) -> Result<Option<T>, StoreError> {
    let Some(value) = row.try_get::<Option<String>, _>(column)? else { return Ok(None) };
    serde_json::from_str(&value).map(Some).map_err(|_| StoreError::Unreadable { what: column, value })
}

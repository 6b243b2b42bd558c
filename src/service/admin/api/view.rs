//! Types and helpers that several admin handlers share: pages, times, cursors.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::error::AdminError;
use crate::clock;
use crate::service::store::database::{PageRequest, StoreError};

/// Which part of a list to give.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items in the page; 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

impl PageQuery {
    pub(super) fn read(self) -> Result<PageRequest, AdminError> {
        let limit = self.limit.unwrap_or(DEFAULT_PAGE);
        if limit == 0 || limit > PageRequest::MOST {
            return Err(AdminError::Invalid(format!("`limit` is not a number from 1 to {}", PageRequest::MOST)));
        }
        Ok(PageRequest { cursor: self.cursor, limit })
    }

    /// For a list whose cursors have a known shape: another cursor is refused.
    pub(super) fn read_if(self, is_cursor: impl FnOnce(&str) -> bool) -> Result<PageRequest, AdminError> {
        let page = self.read()?;
        if page.cursor.as_deref().is_none_or(is_cursor) { Ok(page) } else { Err(StoreError::Cursor.into()) }
    }
}

/// Whether this is the id of a row, the cursor of lists in order of creation.
pub(super) fn is_row_id(cursor: &str) -> bool {
    Uuid::try_parse(cursor).is_ok()
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null at the end.
    pub next: Option<String>,
}

/// The Unix time of `at`, in milliseconds.
pub(super) fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, clock::millis)
}

/// The time that a parameter names: Unix milliseconds, or a day such as `2026-01-31`, which begins at 00:00 UTC.
pub(super) fn moment(name: &str, text: &str) -> Result<SystemTime, AdminError> {
    let fault = || AdminError::Invalid(format!("`{name}` is neither Unix milliseconds nor a day such as 2026-01-31"));
    if let Ok(millis) = text.parse::<u64>() {
        return if millis < LATEST_MILLIS { Ok(UNIX_EPOCH + Duration::from_millis(millis)) } else { Err(fault()) };
    }
    let at_midnight = format!("{text}T00:00:00Z");
    humantime::parse_rfc3339(&at_midnight).map_err(|_| fault())
}

/// The year 10000 in Unix milliseconds; later times are refused.
pub(super) const LATEST_MILLIS: u64 = 253_402_300_800_000;

const DEFAULT_PAGE: u32 = 100;

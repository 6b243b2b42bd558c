//! What several answers of the admin API have in common.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::fault::Fault;
use crate::service::store::PageRequest;

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
    /// As the database takes it.
    pub(super) fn read(self) -> Result<PageRequest, Fault> {
        let limit = self.limit.unwrap_or(DEFAULT_PAGE);
        if limit == 0 || limit > PageRequest::MOST {
            return Err(Fault::Invalid(format!("`limit` is not a number from 1 to {}", PageRequest::MOST)));
        }
        Ok(PageRequest { cursor: self.cursor, limit })
    }
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null at the end.
    pub next: Option<String>,
}

/// A moment as Unix milliseconds.
pub(super) fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The moment that a parameter names: Unix milliseconds, or a day such as `2026-01-31`, which begins at 00:00 UTC.
pub(super) fn moment(name: &str, text: &str) -> Result<SystemTime, Fault> {
    let fault = || Fault::Invalid(format!("`{name}` is neither Unix milliseconds nor a day such as 2026-01-31"));
    if let Ok(millis) = text.parse::<u64>() {
        // Beyond this no calendar of ours goes.
        let latest = 253_402_300_800_000;
        return if millis < latest { Ok(UNIX_EPOCH + Duration::from_millis(millis)) } else { Err(fault()) };
    }
    let at_midnight = format!("{text}T00:00:00Z");
    humantime::parse_rfc3339(&at_midnight).map_err(|_| fault())
}

const DEFAULT_PAGE: u32 = 100;

//! Sums of usage by device, user, organisation, model or day, for the admin listener.

use std::time::{Duration, UNIX_EPOCH};

use sqlx::Row;
use sqlx::any::AnyRow;

use super::row::MODEL;
use crate::service::base::enum_names::enum_names;
use crate::service::base::model_id::plain_id;
use crate::service::store::database::column::number;
use crate::service::store::database::error::StoreError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalsBy {
    Device,
    User,
    Org,
    /// The model that answered, else the one asked for.
    Model,
    /// The day in UTC, as `2026-01-31`.
    Day,
}

/// The sum of all requests with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// The device, the user and so on; `None` sums up requests without one.
    pub key: Option<String>,
    pub requests: u64,
    /// Input that was neither written to nor read from the cache.
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Input written to the cache, for any lifetime.
    pub cache_creation_input_tokens: u64,
    pub cache_read_input_tokens: u64,
    /// The cost of the requests that have a price, in millionths of a US dollar.
    pub cost_microusd: u64,
    /// The part of the cost that is exact. All else is estimated, or the record does not say how sure it is.
    pub cost_exact_microusd: u64,
    /// Requests that the upstream may charge for and whose usage it never said.
    pub requests_of_unknown_cost: u64,
}

enum_names!(TotalsBy { Device = "device", User = "user", Org = "org", Model = "model", Day = "day" });

impl TotalsBy {
    /// The key as SQL.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::User => "user_name",
            Self::Org => "org",
            Self::Model => MODEL,
            Self::Day => "finished_at / 86400000",
        }
    }
}

impl Totals {
    pub(super) fn read(by: TotalsBy, row: &AnyRow) -> Result<Self, StoreError> {
        let key = match by {
            TotalsBy::Day => Some(day(number(row, "key")?)),
            TotalsBy::Model => row.try_get::<Option<String>, _>("key")?.map(|id| plain_id(&id).to_owned()),
            _ => row.try_get("key")?,
        };
        Ok(Self {
            key,
            requests: number(row, "requests")?,
            input_tokens: number(row, "input_tokens")?,
            output_tokens: number(row, "output_tokens")?,
            cache_creation_input_tokens: number(row, "cache_creation_input_tokens")?,
            cache_read_input_tokens: number(row, "cache_read_input_tokens")?,
            cost_microusd: number(row, "cost_microusd")?,
            cost_exact_microusd: number(row, "cost_exact_microusd")?,
            requests_of_unknown_cost: number(row, "requests_of_unknown_cost")?,
        })
    }

    /// Adds another sum. Always true.
    pub(super) fn add(&mut self, other: &Self) -> bool {
        self.requests += other.requests;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_creation_input_tokens += other.cache_creation_input_tokens;
        self.cache_read_input_tokens += other.cache_read_input_tokens;
        self.cost_microusd += other.cost_microusd;
        self.cost_exact_microusd += other.cost_exact_microusd;
        self.requests_of_unknown_cost += other.requests_of_unknown_cost;
        true
    }
}

/// The date of a day, counted from 1970-01-01 as 0.
fn day(days: u32) -> String {
    let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(86_400) * days).to_string();
    time.split('T').next().unwrap_or_default().to_owned()
}

/// PostgreSQL's sum of whole numbers is not a whole number.
pub(super) const SUMS: &str = "COUNT(*) AS requests, \
    CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, \
    CAST(SUM(output_tokens) AS BIGINT) AS output_tokens, \
    CAST(SUM(cache_write_5m_tokens + cache_write_1h_tokens) AS BIGINT) AS cache_creation_input_tokens, \
    CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_input_tokens, \
    CAST(COALESCE(SUM(cost_microusd), 0) AS BIGINT) AS cost_microusd, \
    CAST(COALESCE(SUM(CASE WHEN cost_certainty = 'exact' THEN cost_microusd END), 0) AS BIGINT) AS cost_exact_microusd, \
    COUNT(CASE WHEN cost_certainty = 'unknown' THEN 1 END) AS requests_of_unknown_cost";

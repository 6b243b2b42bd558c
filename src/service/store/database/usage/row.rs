//! A relayed request as the database and spilled records have it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::clock;
use crate::service::meter::usage::{CostCertainty, Ended, Reference, ReferenceKind, Tokens, UsageRecord};
use crate::service::store::database::error::StoreError;
use crate::service::store::database::statement::Value;
use crate::service::store::database::{column, millis};
use crate::wire::DeviceId;

/// One relayed request: a [`UsageRecord`] that has ended and been priced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the record")]
pub struct UsageRow {
    pub request_id: String,
    #[serde(with = "millis")]
    pub finished_at: SystemTime,
    pub upstream_request_id: Option<String>,
    pub device: DeviceId,
    pub org: Option<String>,
    pub user: Option<String>,
    pub route: String,
    pub model_asked: Option<String>,
    pub model_answered: Option<String>,
    pub status: Option<u16>,
    pub first_byte_ms: Option<u64>,
    pub total_ms: u64,
    #[serde(flatten)]
    pub tokens: Tokens,
    pub output_estimated: bool,
    pub no_usage: bool,
    pub unparsed_events: u32,
    pub ended: Ended,
    /// In millionths of a US dollar; `None` when the request has no price.
    pub cost_microusd: Option<u64>,
    /// `None` where an earlier version made the record.
    #[serde(default)]
    pub cost_certainty: Option<CostCertainty>,
    /// The messages and containers that later requests of the device may refer to. They have a table of their own, so rows
    /// that are read have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// The ids of the files that the answer has made, as in `references`. An earlier version that takes a spilled record in
    /// knows no files: it passes over this field, and a reference of a kind that it does not know would void the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

impl UsageRow {
    pub fn of(record: UsageRecord, finished_at: SystemTime, cost_microusd: Option<u64>) -> Self {
        let (files, references): (Vec<_>, Vec<_>) =
            record.references.into_iter().partition(|made| made.kind == ReferenceKind::File);
        Self {
            request_id: record.request_id,
            finished_at,
            upstream_request_id: record.upstream_request_id,
            device: record.device,
            org: record.org,
            user: record.user,
            route: record.route.to_owned(),
            model_asked: record.model_asked.map(Into::into),
            model_answered: record.model_answered,
            status: record.status,
            first_byte_ms: record.first_byte.map(clock::millis),
            total_ms: clock::millis(record.total),
            tokens: record.tokens,
            output_estimated: record.output_estimated,
            no_usage: record.no_usage,
            unparsed_events: record.unparsed_events,
            ended: record.ended,
            cost_microusd,
            cost_certainty: Some(record.cost_certainty),
            references,
            files: files.into_iter().map(|file| file.id.into_string()).collect(),
        }
    }

    /// The model that answered, else the one asked for.
    pub fn model(&self) -> Option<&str> {
        self.model_answered.as_deref().or(self.model_asked.as_deref())
    }

    /// In the order of [`COLUMNS`].
    pub(super) fn values(&self) -> [Value<'_>; 23] {
        let Tokens { input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens } =
            self.tokens;
        [
            self.request_id.as_str().into(),
            millis::from_time(self.finished_at).into(),
            self.upstream_request_id.as_deref().into(),
            self.device.as_str().into(),
            self.org.as_deref().into(),
            self.user.as_deref().into(),
            self.route.as_str().into(),
            self.model_asked.as_deref().into(),
            self.model_answered.as_deref().into(),
            self.status.map(i64::from).into(),
            self.first_byte_ms.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX)).into(),
            self.total_ms.into(),
            input_tokens.into(),
            output_tokens.into(),
            cache_write_5m_tokens.into(),
            cache_write_1h_tokens.into(),
            cache_read_tokens.into(),
            i64::from(self.output_estimated).into(),
            i64::from(self.no_usage).into(),
            i64::from(self.unparsed_events).into(),
            Ended::as_str(self.ended).into(),
            self.cost_microusd.map(|cost| i64::try_from(cost).unwrap_or(i64::MAX)).into(),
            self.cost_certainty.map(CostCertainty::as_str).into(),
        ]
    }

    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            request_id: row.try_get("request_id")?,
            finished_at: millis::to_time(row.try_get("finished_at")?),
            upstream_request_id: row.try_get("upstream_request_id")?,
            org: row.try_get("org")?,
            user: row.try_get("user_name")?,
            route: row.try_get("route")?,
            model_asked: row.try_get("model_asked")?,
            model_answered: row.try_get("model_answered")?,
            status: column::maybe_number(row, "status")?,
            first_byte_ms: column::maybe_number(row, "first_byte_ms")?,
            total_ms: column::number(row, "total_ms")?,
            tokens: Tokens {
                input_tokens: column::number(row, "input_tokens")?,
                output_tokens: column::number(row, "output_tokens")?,
                cache_write_5m_tokens: column::number(row, "cache_write_5m_tokens")?,
                cache_write_1h_tokens: column::number(row, "cache_write_1h_tokens")?,
                cache_read_tokens: column::number(row, "cache_read_tokens")?,
            },
            output_estimated: row.try_get::<i64, _>("output_estimated")? != 0,
            no_usage: row.try_get::<i64, _>("no_usage")? != 0,
            unparsed_events: column::number(row, "unparsed_events")?,
            cost_microusd: column::maybe_number(row, "cost_microusd")?,
            cost_certainty: column::maybe_parsed(row, "cost_certainty", CostCertainty::parse)?,
            ended: column::parsed(row, "ended", ended_named)?,
            device: column::parsed(row, "device", |id| DeviceId::parse(id).ok())?,
            references: Vec::new(),
            files: Vec::new(),
        })
    }
}

fn ended_named(name: &str) -> Option<Ended> {
    [Ended::Complete, Ended::Cancelled, Ended::UpstreamCut, Ended::Error, Ended::Revoked]
        .into_iter()
        .find(|ended| ended.as_str() == name)
}

pub(super) const MODEL: &str = "COALESCE(model_answered, model_asked)";

/// [`MODEL`] without the suffix for a long context.
pub(super) const UNSUFFIXED_MODEL: &str = "REPLACE(COALESCE(model_answered, model_asked), '[1m]', '')";

macro_rules! columns {
    () => {
        "request_id, finished_at, upstream_request_id, device, org, user_name, route, model_asked, model_answered, \
         status, first_byte_ms, total_ms, input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens, \
         cache_read_tokens, output_estimated, no_usage, unparsed_events, ended, cost_microusd, cost_certainty"
    };
}

pub(super) const COLUMNS: &str = columns!();

pub(super) const INSERT_INTO: &str = concat!("INSERT INTO usage_records (", columns!(), ")");

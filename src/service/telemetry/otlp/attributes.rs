//! OTLP attributes, and values that spans and metrics share.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::conventions::{SERVER_ADDRESS, SERVER_PORT};
use crate::service::meter::usage::{Ended, UsageRecord};
use crate::transport::origin::Origin;

pub(super) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

pub(super) fn count(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

pub(super) fn seconds(key: &str, value: Duration) -> KeyValue {
    attribute(key, Value::DoubleValue(value.as_secs_f64()))
}

pub(super) fn flag(key: &str) -> KeyValue {
    attribute(key, Value::BoolValue(true))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Attributes that name the upstream.
pub(super) fn server(upstream: &Origin) -> Vec<KeyValue> {
    let port = upstream.connect_uri().port_u16().map_or(443, u64::from);
    vec![text(SERVER_ADDRESS, upstream.host()), count(SERVER_PORT, port)]
}

/// The HTTP status, or how the response ended. A client that left is no error.
pub(super) fn error_type(record: &UsageRecord) -> Option<Cow<'static, str>> {
    match (record.ended, record.status) {
        (Ended::Complete | Ended::Cancelled, _) => None,
        (Ended::Error, Some(status @ 400..)) => Some(status.to_string().into()),
        (ended, _) => Some(ended.as_str().into()),
    }
}

/// Whether the request makes a model write. The conventions cover no other requests.
pub(super) fn is_chat(record: &UsageRecord) -> bool {
    record.route == "POST /v1/messages"
}

/// All input tokens. Anthropic counts cache writes and cache reads apart; the conventions include them.
pub(super) fn input_tokens(record: &UsageRecord) -> u64 {
    let tokens = &record.tokens;
    tokens.input_tokens + cache_writes(record) + tokens.cache_read_tokens
}

pub(super) fn cache_writes(record: &UsageRecord) -> u64 {
    record.tokens.cache_write_5m_tokens + record.tokens.cache_write_1h_tokens
}

/// Unix time in nanoseconds, as OTLP wants it.
pub(super) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

//! What the service counts, as Prometheus reads it (OpenMetrics text).
//!
//! Labels have a fixed set of values: no name that a client chooses becomes one.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::usage::{UsageRecord, UsageSink};
use crate::wire::ErrorCode;

/// All counters. Cheap to use from every worker: each is an atomic number.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    first_byte: Histogram,
    /// Usage records by what has become of them.
    pub usage_records: Polled,
    /// Decisions about single devices' limits.
    pub limits: Polled,
    /// Tokens by the key that signed them.
    pub keys: Polled,
    /// Reloads of the signing keys, and whether the last one was refused.
    pub key_reloads: Polled,
    /// Circuits to the upstream, by model: 1 for the state it is in.
    pub breaker: Polled,
    /// Seconds since the revocations in use were known to be the truth.
    pub revocation_staleness: Gauge,
    /// Entries in the revocations in use.
    pub revocations: Gauge,
    /// Requests that are open now.
    pub open_requests: Gauge,
}

/// What another part counts and is asked for when somebody looks. Its labels are a fixed few, or bounded by that part.
pub type Polled = Family<Vec<(&'static str, String)>, Gauge>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: &'static str,
    ended: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    code: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("valetkey"),
            requests: Family::default(),
            tokens: Family::default(),
            refusals: Family::default(),
            // 5 ms to 80 s.
            first_byte: Histogram::new(exponential_buckets(0.005, 2.0, 15)),
            usage_records: Polled::default(),
            limits: Polled::default(),
            keys: Polled::default(),
            key_reloads: Polled::default(),
            breaker: Polled::default(),
            revocation_staleness: Gauge::default(),
            revocations: Gauge::default(),
            open_requests: Gauge::default(),
        };
        metrics.register();
        metrics.register_process();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Relayed requests that have ended", self.requests.clone());
        registry.register("tokens", "Tokens that the upstream counted", self.tokens.clone());
        registry.register("refusals", "Requests answered with an error of the service's own", self.refusals.clone());
        let help = "From a request's head to the head of its response";
        registry.register_with_unit("first_byte", help, Unit::Seconds, self.first_byte.clone());
        let help = "Since the revocations in use were known to be the truth";
        registry.register_with_unit("revocation_staleness", help, Unit::Seconds, self.revocation_staleness.clone());
        let help = "Usage records by what has become of them";
        registry.register("usage_records", help, self.usage_records.clone());
        registry.register("limit_decisions", "Decisions about devices' limits", self.limits.clone());
        registry.register("jwt_tokens", "Wrapper tokens by the key that signed them", self.keys.clone());
        registry.register("key_reloads", "Reloads of the signing keys", self.key_reloads.clone());
        registry.register("breaker", "Circuits to the upstream by model", self.breaker.clone());
        registry.register("revocations", "Entries in the revocations in use", self.revocations.clone());
        registry.register("open_requests", "Requests that are open now", self.open_requests.clone());
    }

    /// Which process this is: how an operator sees restarts and mixed versions.
    fn register_process(&mut self) {
        let started: Gauge = Gauge::default();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        started.set(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        self.registry.register_with_unit("start_time", "When the process began, in Unix time", Unit::Seconds, started);
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        self.registry.register("build", "What is running", version);
    }

    /// A request was answered with an error of the service's own.
    pub fn refused(&self, code: ErrorCode) {
        self.refusals.get_or_create(&RefusalLabels { code: code.as_str() }).inc();
    }

    /// The page for `/metrics`.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut page, &self.registry);
        page
    }
}

impl UsageSink for Metrics {
    fn record(&self, record: &Arc<UsageRecord>) {
        let status = match record.status {
            Some(200..=299) => "2xx",
            Some(300..=399) => "3xx",
            Some(400..=499) => "4xx",
            Some(_) => "5xx",
            None => "none",
        };
        let labels = RequestLabels { route: record.route, status, ended: record.ended.as_str() };
        self.requests.get_or_create(&labels).inc();
        if let Some(first_byte) = record.first_byte {
            self.first_byte.observe(first_byte.as_secs_f64());
        }
        let tokens = &record.tokens;
        for (kind, count) in [
            ("input", tokens.input_tokens),
            ("output", tokens.output_tokens),
            ("cache_write_5m", tokens.cache_write_5m_tokens),
            ("cache_write_1h", tokens.cache_write_1h_tokens),
            ("cache_read", tokens.cache_read_tokens),
        ] {
            if count > 0 {
                self.tokens.get_or_create(&TokenLabels { kind }).inc_by(count);
            }
        }
    }
}

/// The media type of the page (OpenMetrics 1.0).
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

//! What is counted about requests, by all workers at once: each count is an atomic number.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use super::collector::{FamilyEncoder, MetricSource};
use super::counters::{Counters, counters};
use crate::service::meter::usage::{UsageRecord, UsageSink};
use crate::wire::ErrorCode;

pub struct RequestMetrics {
    requests: Family<RequestLabels, Counter>,
    tokens: [Counter; 5],
    refusals: Counters<1>,
    first_byte: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: &'static str,
    ended: &'static str,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        let codes = ErrorCode::ALL.iter().filter(|code| !NEVER_ANSWERED.contains(code));
        Self {
            requests: Family::default(),
            tokens: Default::default(),
            refusals: counters(codes.map(|code| [("code", code.as_str())])),
            // 5 ms to 80 s.
            first_byte: Histogram::new(exponential_buckets(0.005, 2.0, 15)),
        }
    }
}

impl RequestMetrics {
    /// Counts a request answered with an error of the service itself.
    pub fn refused(&self, code: ErrorCode) {
        self.refusals.get_or_create(&[("code", code.as_str())]).inc();
    }
}

impl UsageSink for RequestMetrics {
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
        for (counter, count) in self.tokens.iter().zip(record.tokens.by_price()) {
            counter.inc_by(count);
        }
    }
}

impl MetricSource for RequestMetrics {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        page.metric("requests", "Relayed requests that have ended", &self.requests)?;
        let tokens = TOKEN_KINDS.into_iter().zip(self.tokens.iter().map(Counter::get));
        page.counters("tokens", "Tokens that the upstream counted", "kind", tokens)?;
        page.metric("refusals", "Requests answered with an error of the service's own", &self.refusals)?;
        page.seconds("first_byte", "From a request's head to the head of its response", &self.first_byte)
    }
}

const TOKEN_KINDS: [&str; 5] = ["input", "output", "cache_write_5m", "cache_write_1h", "cache_read"];

/// A code that only the loopback proxy answers with, and the one for codes that a client does not know.
const NEVER_ANSWERED: [ErrorCode; 2] = [ErrorCode::LaunchKeyInvalid, ErrorCode::Unknown];

//! The metrics of the service, served to Prometheus as OpenMetrics text.
//!
//! Labels have a fixed set of values; a name that a client chooses never becomes a label.

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

use crate::service::enrol::device_keys::outcomes;
use crate::service::govern::budgets::{Shortage, SubjectKind};
use crate::service::meter::usage::{UsageRecord, UsageSink};
use crate::wire::ErrorCode;

/// All metrics. Every worker updates them without locks: each is an atomic number.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    tokens: [Counter; 5],
    refusals: Family<RefusalLabels, Counter>,
    proofs: Family<ProofLabels, Counter>,
    budget_refusals: Family<BudgetLabels, Counter>,
    config_reloads: Family<ReloadLabels, Counter>,
    first_byte: Histogram,
    /// Usage records by outcome.
    pub usage_records: Polled,
    /// Records for the OpenTelemetry collector by outcome.
    pub otlp: Polled,
    /// Decisions of the per-device limits.
    pub limits: Polled,
    /// Refusals by the enrolment limits of `/bootstrap`.
    pub bootstrap: Polled,
    /// Tokens by the key that signed them.
    pub keys: Polled,
    /// Reloads of files by outcome.
    pub reloads: Polled,
    /// TLS handshakes by outcome.
    pub handshakes: Polled,
    /// Seconds until the certificate in use expires; no sample without a certificate.
    pub certificate_expiry: Polled,
    /// Suspicions that a device is in use in two places at once, by outcome.
    pub leaks: Polled,
    /// Devices watched for leaks, and sightings that other instances reported.
    pub sightings: Polled,
    /// Circuits to the upstream by model and state: 1 for the state the circuit is in.
    pub breaker: Polled,
    /// Seconds since the revocations in use were last confirmed by the database.
    pub revocation_staleness: Gauge,
    pub revocations: Gauge,
    pub open_requests: Gauge,
}

/// Values that another part counts and that are read from it when the page is fetched. That part bounds the labels.
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProofLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BudgetLabels {
    subject: &'static str,
    shortage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("valetkey"),
            requests: Family::default(),
            tokens: Default::default(),
            refusals: Family::default(),
            proofs: Family::default(),
            budget_refusals: Family::default(),
            config_reloads: Family::default(),
            // 5 ms to 80 s.
            first_byte: Histogram::new(exponential_buckets(0.005, 2.0, 15)),
            usage_records: Polled::default(),
            otlp: Polled::default(),
            limits: Polled::default(),
            bootstrap: Polled::default(),
            keys: Polled::default(),
            reloads: Polled::default(),
            handshakes: Polled::default(),
            certificate_expiry: Polled::default(),
            leaks: Polled::default(),
            sightings: Polled::default(),
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
        let tokens = Family::<TokenLabels, Counter>::default();
        // All series exist from the start: a series that appears with its first token has no rate before it.
        self.tokens = TOKEN_KINDS.map(|kind| tokens.get_or_create(&TokenLabels { kind }).clone());
        registry.register("tokens", "Tokens that the upstream counted", tokens);
        registry.register("refusals", "Requests answered with an error of the service's own", self.refusals.clone());
        for outcome in outcomes() {
            drop(self.proofs.get_or_create(&ProofLabels { outcome }));
        }
        registry.register("device_proofs", "Proofs of devices' keys by what became of them", self.proofs.clone());
        for subject in SubjectKind::ALL {
            for shortage in Shortage::ALL {
                drop(self.budget_refusals.get_or_create(&BudgetLabels::of(subject, shortage)));
            }
        }
        let help = "Requests that a budget refused: its money was spent, or what is left was reserved by others";
        registry.register("budget_refusals", help, self.budget_refusals.clone());
        let help = "Attempts to take over a changed configuration";
        for outcome in ["taken", "refused"] {
            drop(self.config_reloads.get_or_create(&ReloadLabels { outcome }));
        }
        registry.register("config_reloads", help, self.config_reloads.clone());
        let help = "From a request's head to the head of its response";
        registry.register_with_unit("first_byte", help, Unit::Seconds, self.first_byte.clone());
        let help = "Since the revocations in use were known to be the truth";
        registry.register_with_unit("revocation_staleness", help, Unit::Seconds, self.revocation_staleness.clone());
        let help = "Usage records by what has become of them";
        registry.register("usage_records", help, self.usage_records.clone());
        let help = "What is sent to the OpenTelemetry collector, by what has become of it";
        registry.register("otlp", help, self.otlp.clone());
        registry.register("limit_decisions", "Decisions about devices' limits", self.limits.clone());
        let help = "What the limits of bootstrap refused, and the networks they remember";
        registry.register("bootstrap", help, self.bootstrap.clone());
        registry.register("jwt_tokens", "Wrapper tokens by the key that signed them", self.keys.clone());
        registry.register("reloads", "Files read again while the service runs", self.reloads.clone());
        registry.register("tls_handshakes", "TLS handshakes by how they ended", self.handshakes.clone());
        let help = "Until the certificate in use expires";
        registry.register_with_unit("tls_certificate_expires_in", help, Unit::Seconds, self.certificate_expiry.clone());
        let help = "Suspicions that a device is in use in two places at once, by what became of them";
        registry.register("leak_suspicions", help, self.leaks.clone());
        let help = "Devices that are watched for leaks, and sightings that other instances have told of";
        registry.register("leak_sightings", help, self.sightings.clone());
        registry.register("breaker", "Circuits to the upstream by model", self.breaker.clone());
        registry.register("revocations", "Entries in the revocations in use", self.revocations.clone());
        registry.register("open_requests", "Requests that are open now", self.open_requests.clone());
    }

    /// Start time and version: they show restarts and mixed versions.
    fn register_process(&mut self) {
        let started: Gauge = Gauge::default();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        started.set(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        self.registry.register_with_unit("start_time", "When the process began, in Unix time", Unit::Seconds, started);
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        self.registry.register("build", "What is running", version);
    }

    /// Counts a request answered with an error of the service itself.
    pub fn refused(&self, code: ErrorCode) {
        self.refusals.get_or_create(&RefusalLabels { code: code.as_str() }).inc();
    }

    /// Counts a checked proof of a device key.
    pub(crate) fn proof(&self, outcome: &'static str) {
        self.proofs.get_or_create(&ProofLabels { outcome }).inc();
    }

    pub fn budget_refused(&self, subject: SubjectKind, shortage: Shortage) {
        self.budget_refusals.get_or_create(&BudgetLabels::of(subject, shortage)).inc();
    }

    /// Counts a reload of the configuration: `taken`, or refused because a setting is wrong.
    pub fn reloaded(&self, taken: bool) {
        let outcome = if taken { "taken" } else { "refused" };
        self.config_reloads.get_or_create(&ReloadLabels { outcome }).inc();
    }

    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut page, &self.registry);
        page
    }
}

impl BudgetLabels {
    fn of(subject: SubjectKind, shortage: Shortage) -> Self {
        Self { subject: subject.name(), shortage: shortage.name() }
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
        for (counter, count) in self.tokens.iter().zip(record.tokens.by_price()) {
            counter.inc_by(count);
        }
    }
}

const TOKEN_KINDS: [&str; 5] = ["input", "output", "cache_write_5m", "cache_write_1h", "cache_read"];

/// Media type of OpenMetrics 1.0.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

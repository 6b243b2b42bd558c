//! OpenTelemetry: a span for each traced request and the metrics of the GenAI conventions, by OTLP over HTTP.
//!
//! One more taker of usage records. A record goes into a bounded queue and nothing else happens on a request's way; a
//! thread of its own makes spans of what has gathered, sums up the metrics and sends both. A collector that is slow or
//! away costs spans, which are counted, and no request anything. Metrics are sums since the start, so what one export
//! lost, the next brings.

mod attributes;
mod collector;
mod conventions;
mod exporter;
mod histogram;
mod measures;
mod queue;
mod source;
mod span;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::collector::Collector;
use self::exporter::Exporter;
pub use self::queue::OtlpCounters;
use self::queue::{Finished, Queue, queue};
use crate::clock::Clock;
use crate::service::meter::usage::{UsageRecord, UsageSink};
use crate::transport::origin::Origin;
use http::HeaderMap;

/// The OpenTelemetry collector.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: its base address.
    pub endpoint: Origin,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: marked as sensitive, because they hold credentials.
    pub headers: HeaderMap,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: String,
    /// `OTEL_TRACES_SAMPLER_ARG`: how many of the requests whose client has not decided are traced, from 0 to 1.
    pub share: f64,
}

/// Takes usage records on behalf of the collector.
pub struct Otlp {
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How much, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtlpSettings {
    /// How many records may be in memory.
    pub most_waiting: usize,
    /// How long records gather before they are sent.
    pub gather: Duration,
    /// From one export of metrics to the next.
    pub metrics_every: Duration,
    /// How often the same is sent while the collector takes nothing.
    pub attempts: u32,
    /// Between the first two of these attempts; then twice as long each time.
    pub first_pause: Duration,
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// TLS cannot be set up.
    #[error("cannot set up the way to the OpenTelemetry collector: {0}")]
    Client(#[source] reqwest::Error),
    /// The system gave no thread or no event queue.
    #[error("cannot start the thread for the OpenTelemetry collector: {0}")]
    Thread(#[source] io::Error),
}

impl Default for OtlpSettings {
    /// About 6 MB at most; what finds no collector for 15 seconds is given up.
    fn default() -> Self {
        Self {
            most_waiting: 8192,
            gather: Duration::from_secs(1),
            metrics_every: Duration::from_secs(60),
            attempts: 5,
            first_pause: Duration::from_secs(1),
        }
    }
}

impl Otlp {
    /// Starts the thread, for requests that go to `upstream`.
    ///
    /// # Errors
    /// [`OtlpError`]
    pub fn start(
        config: &OtlpConfig,
        upstream: &Origin,
        settings: OtlpSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OtlpError> {
        let queue = Arc::new(queue(settings.most_waiting, settings.gather));
        let collector = Collector::new(config).map_err(OtlpError::Client)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(OtlpError::Thread)?;
        let source = source::Source::new(&config.service_name);
        let server = attributes::server(upstream);
        let exporter = Exporter::new(Arc::clone(&queue), collector, source, server, settings, Arc::clone(&clock));
        let run = move || {
            runtime.block_on(exporter.run());
            // A collector that hangs must not hold up the end.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("otlp".into()).spawn(run).map_err(OtlpError::Thread)?;
        Ok(Self { queue, clock, thread: Mutex::new(Some(thread)) })
    }

    /// What has become of the records so far.
    #[must_use]
    pub fn counters(&self) -> OtlpCounters {
        self.queue.count(|counters, in_memory| OtlpCounters { waiting: in_memory as u64, ..*counters })
    }

    /// Sends what is queued and ends the thread. Waits for `limit` at most.
    pub fn close(&self, limit: Duration) -> OtlpCounters {
        if self.queue.close(limit) {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            // It has nothing left to do, so this does not wait. Its panic was logged.
            thread.map(JoinHandle::join);
        }
        self.counters()
    }
}

impl UsageSink for Otlp {
    fn record(&self, record: &Arc<UsageRecord>) {
        let finished = Finished { record: Arc::clone(record), at: self.clock.now() };
        self.queue.push(finished, |counters| counters.dropped += 1);
    }
}

/// Without [`close`](Otlp::close) the thread ends soon, and what it has is lost.
impl Drop for Otlp {
    fn drop(&mut self) {
        self.queue.close(Duration::ZERO);
    }
}

//! OpenTelemetry: sends a span for each traced request and the metrics of the GenAI conventions by OTLP over HTTP.
//!
//! A sink of usage records. A request only puts its record into a bounded queue; one thread turns records into spans
//! and metrics and sends both. A slow or absent collector costs spans, which are counted, and never delays a request.
//! Metrics are sums since the start, so the next export makes up for a lost one.

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
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use self::collector::Collector;
use self::exporter::Exporter;
pub use self::queue::OtlpCounters;
use self::queue::{Finished, SpanQueue, queue};
use crate::clock::Clock;
use crate::lock::lock;
use crate::service::meter::usage::{UsageRecord, UsageSink};
use crate::transport::origin::Origin;
use http::HeaderMap;

#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the base address of the collector.
    pub endpoint: Origin,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: marked as sensitive, because they hold credentials.
    pub headers: HeaderMap,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: String,
    /// `OTEL_TRACES_SAMPLER_ARG`: the sample ratio of requests whose client has not decided, from 0 to 1.
    pub sample_ratio: f64,
}

/// The sink that queues usage records for the collector.
pub struct Otlp {
    queue: Arc<SpanQueue>,
    clock: Arc<dyn Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Limits and intervals of the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtlpSettings {
    /// Most records in memory.
    pub most_waiting: usize,
    /// How long records gather before they are sent.
    pub gather: Duration,
    /// Interval of the exports of metrics.
    pub metrics_every: Duration,
    /// How often one message is sent while the collector does not take it.
    pub attempts: u32,
    /// Pause after the first failed attempt; it doubles with each further one.
    pub first_pause: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("cannot set up the way to the OpenTelemetry collector: {0}")]
    Client(#[source] reqwest::Error),
    /// The system gave no thread or no event queue.
    #[error("cannot start the thread for the OpenTelemetry collector: {0}")]
    Thread(#[source] io::Error),
}

impl Default for OtlpSettings {
    /// At most about 6 MB in memory; a message is given up after about 15 seconds without the collector.
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
    /// `upstream` is named in every span and metric.
    pub fn start(
        config: &OtlpConfig,
        upstream: &Origin,
        settings: OtlpSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OtlpError> {
        let queue = Arc::new(queue(settings.most_waiting, settings.gather));
        let collector = Collector::new(config).map_err(OtlpError::Client)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(OtlpError::Thread)?;
        let source = source::OtlpSource::new(&config.service_name);
        let server = attributes::server(upstream);
        let exporter = Exporter::new(Arc::clone(&queue), collector, source, server, settings, Arc::clone(&clock));
        let run = move || {
            runtime.block_on(exporter.run());
            // A hanging collector must not delay the end of the service.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("otlp".into()).spawn(run).map_err(OtlpError::Thread)?;
        Ok(Self { queue, clock, thread: Mutex::new(Some(thread)) })
    }

    #[must_use]
    pub fn counters(&self) -> OtlpCounters {
        self.queue.count(|counters, in_memory| OtlpCounters { waiting: in_memory as u64, ..*counters })
    }

    /// Sends the queued records and ends the thread. Waits for `limit` at most.
    pub fn close(&self, limit: Duration) -> OtlpCounters {
        if self.queue.close(limit) {
            let thread = lock(&self.thread).take();
            // The thread has nothing left to do, so `join` returns at once. A panic of it was logged.
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

/// Without [`close`](Otlp::close) the thread ends soon and its queued records are lost.
impl Drop for Otlp {
    fn drop(&mut self) {
        self.queue.close(Duration::ZERO);
    }
}

//! OpenTelemetry: sends a span for each traced request and the metrics of the GenAI conventions by OTLP over HTTP.
//!
//! A sink of usage records. A request only puts its record into a bounded queue; one thread turns records into spans
//! and metrics and sends both. A slow or absent collector costs spans, which are counted, and never delays a request.
//! Metrics are sums since the start, so the next export makes up for a lost one.
//!
//! A record is all that a span needs: the span ends when the record does and began `total` earlier, and its ids were
//! drawn before the request went up, because the upstream is told them. So tracing costs a request a few header
//! look-ups, the ids and a push into the queue; without a collector it costs one comparison. Why not the SDK:
//! `docs/decisions/0006-own-otlp-exporter.md`.

mod attributes;
mod collector;
mod conventions;
mod exporter;
mod histogram;
mod measures;
mod queue;
mod settings;
mod source;
mod span;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use self::collector::Collector;
use self::exporter::Exporter;
pub use self::queue::OtlpCounters;
use self::queue::{Finished, SpanQueue, queue};
pub use self::settings::{OtlpConfig, OtlpSettings};
use crate::clock::Clock;
use crate::lock::lock;
use crate::service::meter::usage::{UsageRecord, UsageSink};
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};
use crate::transport::origin::Origin;

/// The sink that queues usage records for the collector.
pub struct Otlp {
    queue: Arc<SpanQueue>,
    clock: Arc<dyn Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("cannot set up the way to the OpenTelemetry collector: {0}")]
    Client(#[source] reqwest::Error),
    /// The system gave no thread or no event queue.
    #[error("cannot start the thread for the OpenTelemetry collector: {0}")]
    Thread(#[source] io::Error),
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

impl MetricSource for Otlp {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let OtlpCounters { waiting, exported, lost, dropped } = self.counters();
        let help = "Spans for the OpenTelemetry collector, by what became of them";
        page.counters("otlp_spans", help, "outcome", [("exported", exported), ("lost", lost)])?;
        let help = "Records of requests that found no room in the queue for the OpenTelemetry collector";
        page.counter("otlp_records_dropped", help, dropped)?;
        page.gauge("otlp_records_waiting", "Records of requests that wait for the OpenTelemetry collector", waiting)
    }
}

/// Without [`close`](Otlp::close) the thread ends soon and its queued records are lost.
impl Drop for Otlp {
    fn drop(&mut self) {
        self.queue.close(Duration::ZERO);
    }
}

//! The thread behind the queue: turns records into spans and metrics, and sends them until the collector takes them or
//! has failed too often.

use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use prost::Message as _;
use tokio::time::Instant;
use url::Url;

use super::OtlpSettings;
use super::collector::{Collector, CollectorError, LONGEST_PAUSE};
use super::measures::Measures;
use super::queue::{BATCH, Finished, SpanQueue};
use super::source::OtlpSource;
use super::span::span;
use crate::clock::Clock;
use crate::service::base::outage::Outage;

/// Runs until the queue is closed and empty.
pub(super) struct Exporter {
    queue: Arc<SpanQueue>,
    collector: Collector,
    source: OtlpSource,
    server: Vec<KeyValue>,
    measures: Measures,
    settings: OtlpSettings,
    clock: Arc<dyn Clock>,
    next_metrics: Instant,
    /// The last attempt failed, and the log says so already.
    outage: Outage,
    /// Number of dropped records that the log has reported.
    reported: u64,
}

impl Exporter {
    pub(super) fn new(
        queue: Arc<SpanQueue>,
        collector: Collector,
        source: OtlpSource,
        server: Vec<KeyValue>,
        settings: OtlpSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let measures = Measures::new(server.clone(), clock.now());
        let next_metrics = Instant::now() + settings.metrics_every;
        Self {
            queue,
            collector,
            source,
            server,
            measures,
            settings,
            clock,
            next_metrics,
            outage: Outage::default(),
            reported: 0,
        }
    }

    pub(super) async fn run(mut self) {
        // Dropped on a panic too.
        let _end = ExporterGuard(Arc::clone(&self.queue));
        loop {
            self.queue.due(Some(self.next_metrics)).await;
            let is_last = self.queue.closed().is_some();
            let batch = Vec::from(self.queue.take(usize::MAX));
            for finished in &batch {
                self.measures.add(&finished.record);
            }
            for part in batch.chunks(BATCH) {
                self.send_spans(part).await;
            }
            drop(batch);
            if is_last || Instant::now() >= self.next_metrics {
                self.send_metrics().await;
            }
            self.report_drops();
            if is_last {
                break;
            }
        }
    }

    async fn send_spans(&mut self, part: &[Finished]) {
        let spans: Vec<_> = part.iter().filter_map(|finished| span(finished, &self.server)).collect();
        let count = spans.len() as u64;
        let mut refused = 0;
        if !spans.is_empty() {
            let answer = self.deliver(self.collector.traces.clone(), self.source.traces(spans).into()).await;
            refused = answer.map_or(count, |answer| refused_spans(&answer).min(count));
        }
        self.queue.release(part.len(), |counters, _| {
            counters.exported += count - refused;
            counters.lost += refused;
        });
    }

    async fn send_metrics(&mut self) {
        self.next_metrics = Instant::now() + self.settings.metrics_every;
        let metrics = self.measures.metrics(self.clock.now());
        if !metrics.is_empty() {
            // A lost export is made up for by the next one.
            self.deliver(self.collector.metrics.clone(), self.source.metrics(metrics).into()).await;
        }
    }

    /// Sends the message until the collector takes it, and returns the answer. `None` when the collector refused it or
    /// failed too often.
    async fn deliver(&mut self, url: Url, body: Bytes) -> Option<Bytes> {
        let mut pause = self.settings.first_pause;
        for attempt in 1.. {
            // After the queue is closed one more attempt is made, within its limit.
            let is_last = attempt >= self.settings.attempts || self.queue.closed().is_some();
            match self.attempt(url.clone(), body.clone()).await {
                Ok(answer) => {
                    self.recovered();
                    return Some(answer);
                }
                Err(refusal) => {
                    self.note(&refusal);
                    let wait = refusal.worth_waiting(pause).filter(|_| !is_last)?;
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = self.queue.closing() => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        None
    }

    async fn attempt(&self, url: Url, body: Bytes) -> Result<Bytes, CollectorError> {
        let too_late = async { tokio::time::sleep_until(self.queue.closing().await).await };
        tokio::select! {
            answer = self.collector.post(url, body) => answer,
            () = too_late => Err(CollectorError::Late),
        }
    }

    fn note(&mut self, refusal: &CollectorError) {
        if self.outage.begins() {
            tracing::warn!(
                error = refusal as &dyn std::error::Error,
                "The OpenTelemetry collector does not take traces and metrics"
            );
        }
    }

    fn recovered(&mut self) {
        if self.outage.ends() {
            tracing::info!("The OpenTelemetry collector takes traces and metrics again");
        }
    }

    fn report_drops(&mut self) {
        let dropped = self.queue.count(|counters, _| counters.dropped);
        if dropped > self.reported {
            let records = dropped - self.reported;
            tracing::warn!(records, "Dropped {records} requests from traces and metrics: too many waited");
            self.reported = dropped;
        }
    }
}

/// Tells the queue on drop that its reader is gone.
struct ExporterGuard(Arc<SpanQueue>);

impl Drop for ExporterGuard {
    fn drop(&mut self) {
        self.0.end(|counters, left| counters.dropped += left as u64);
    }
}

/// How many of the sent spans the collector rejected.
fn refused_spans(answer: &Bytes) -> u64 {
    // An answer that cannot be decoded counts as success.
    let answer = ExportTraceServiceResponse::decode(answer.clone()).unwrap_or_default();
    answer.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or_default())
}

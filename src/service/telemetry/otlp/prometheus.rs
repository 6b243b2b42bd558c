//! The counts of the export for Prometheus, which learns here that the collector takes nothing.

use std::fmt;

use super::Otlp;
use super::queue::OtlpCounters;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

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

//! The counts of usage records for `/metrics`.

use std::fmt;

use super::UsageWriter;
use super::queue::UsageCounters;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

impl MetricSource for UsageWriter {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let UsageCounters { waiting, written, spilled, lost } = self.counters();
        let help = "Usage records that have left the service, by what became of them";
        page.counters("usage_records", help, "outcome", [("written", written), ("lost", lost)])?;
        page.gauge("usage_records_waiting", "Usage records in memory, on their way to the database", waiting)?;
        page.gauge("usage_records_spilled", "Usage records in files that the database has not taken yet", spilled)?;
        let help = "1 while neither the database nor the disk takes usage records, so that they go to the reserve or wait in memory";
        page.gauge("usage_spill_refused", help, u32::from(self.is_spill_refused()))
    }
}

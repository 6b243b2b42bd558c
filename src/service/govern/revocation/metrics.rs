//! The state of the revocations for `/metrics`.

use std::fmt;

use prometheus_client::metrics::gauge::ConstGauge;

use super::Revocations;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

impl MetricSource for Revocations {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let staleness = ConstGauge::new(self.staleness().as_secs());
        page.seconds("revocation_staleness", "Since the revocations in use were known to be the truth", &staleness)?;
        page.gauge("revocations", "Entries in the revocations in use", self.count())?;
        page.gauge("open_requests", "Requests that are open now", self.open_requests())
    }
}

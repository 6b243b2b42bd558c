//! The counts of the enrolment limits for `/metrics`.

use std::fmt;

use super::{EnrolmentFigures, EnrolmentLimiter};
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

impl MetricSource for EnrolmentLimiter {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let EnrolmentFigures { refused_networks, refused_proofs, refused_devices, networks } = self.figures();
        let refusals =
            [("network", refused_networks), ("network_proofs", refused_proofs), ("new_devices", refused_devices)];
        page.counters("bootstrap_refusals", "Requests that the limits of /bootstrap refused", "limit", refusals)?;
        page.gauge("bootstrap_networks", "Networks whose requests to /bootstrap are remembered", networks)
    }
}

//! The counts of the leak detection for `/metrics`.

use std::fmt;
use std::sync::atomic::Ordering;

use super::Leaks;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

impl MetricSource for Leaks {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let tally = &self.tally;
        let actions = [
            ("observed", &tally.observed),
            ("refreshed", &tally.refreshed),
            ("revoked", &tally.revoked),
            ("withheld", &tally.withheld),
            ("failed", &tally.failed),
        ];
        let actions = actions.map(|(action, count)| (action, count.load(Ordering::Relaxed)));
        let help = "Suspicions that a device is in use in two places at once, by what became of them";
        page.counters("leak_suspicions", help, "action", actions)?;
        let help = "Sightings of devices that other instances have told of";
        page.counter("leak_sightings_heard", help, tally.heard.load(Ordering::Relaxed))?;
        page.gauge("leak_watched_devices", "Devices that are watched for leaks", self.watched())
    }
}

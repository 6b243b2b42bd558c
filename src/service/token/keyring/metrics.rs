//! The counts of the signing keys for `/metrics`.

use std::fmt;

use prometheus_client::metrics::counter::ConstCounter;

use super::KeyRing;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

impl MetricSource for KeyRing {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let figures = self.figures();
        let known = figures.kids.iter().flat_map(|key| {
            let kid = key.kid.as_str();
            [(kid, "admitted", key.admitted), (kid, "signed", key.signed)]
        });
        let series = known
            .chain([("unknown", "refused", figures.unknown)])
            .map(|(kid, event, count)| ([("kid", kid), ("event", event)], ConstCounter::new(count)));
        page.family("jwt_tokens", "Wrapper tokens by the key that signed them", series)?;
        let reloads = [("taken", figures.reloaded), ("refused", figures.reload_failed)];
        let help = "Attempts to take over a changed file of signing keys";
        page.counters("signing_key_reloads", help, "outcome", reloads)?;
        let help = "1 while the file of signing keys cannot be used, so that the keys read before stay in use";
        page.gauge("signing_key_file_refused", help, u32::from(figures.refused_now))
    }
}

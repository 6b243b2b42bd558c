//! The counts of TLS for `/metrics`.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::metrics::gauge::ConstGauge;

use super::Tls;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

impl MetricSource for Tls {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let figures = self.figures();
        let handshakes = [("done", figures.done), ("failed", figures.failed), ("timed_out", figures.timed_out)];
        page.counters("tls_handshakes", "TLS handshakes by how they ended", "outcome", handshakes)?;
        let reloads = [("taken", figures.reloaded), ("refused", figures.reload_failed)];
        let help = "Attempts to take over a changed certificate";
        page.counters("tls_certificate_reloads", help, "outcome", reloads)?;
        let left = ConstGauge::new(seconds_until(figures.expires_at, self.clock.now()));
        page.seconds("tls_certificate_expires_in", "Until the certificate in use expires", &left)
    }
}

/// Negative once `end` has passed.
fn seconds_until(end: SystemTime, now: SystemTime) -> i64 {
    let whole = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    match end.duration_since(now) {
        Ok(left) => whole(left.as_secs()),
        Err(over) => -whole(over.duration().as_secs()),
    }
}

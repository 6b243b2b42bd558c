//! The counts of the limits for `/metrics`.

use std::fmt;

use super::{Limiter, LimiterState, Store};
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

impl MetricSource for Limiter {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let LimiterState { store, counters, by_fallback, .. } = self.state();
        let decisions = [
            ("admitted", counters.admitted),
            ("denied_requests", counters.denied_requests),
            ("denied_tokens", counters.denied_tokens),
            ("denied_concurrent", counters.denied_concurrent),
        ];
        page.counters("limit_decisions", "Decisions about devices' limits", "decision", decisions)?;
        page.counter("limit_fallbacks", "Decisions that were made without the configured Redis", by_fallback)?;
        let is_degraded = u32::from(matches!(store, Store::Degraded { .. }));
        page.gauge("limit_store_degraded", "1 while limits are decided without the configured Redis", is_degraded)
    }
}

//! `/metrics`: asks every part what it has counted.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use tokio::time::Instant;

use super::desk::Desk;
use crate::service::breaker::CircuitState;
use crate::service::limits::Store;
use crate::service::metrics::{MEDIA_TYPE, Polled};

/// The page for Prometheus. It needs no token and tells nothing of single devices.
pub(super) async fn page(State(desk): State<Desk>) -> Response {
    revocations(&desk);
    usage(&desk);
    limits(&desk);
    keys(&desk);
    breaker(&desk);
    ([(CONTENT_TYPE, MEDIA_TYPE)], desk.metrics.page()).into_response()
}

fn revocations(desk: &Desk) {
    let revocations = &desk.standing.revocations;
    desk.metrics.revocation_staleness.set(gauge(revocations.staleness().as_secs()));
    desk.metrics.revocations.set(gauge(revocations.count() as u64));
    desk.metrics.open_requests.set(gauge(revocations.open_requests() as u64));
}

fn usage(desk: &Desk) {
    let counters = desk.usage.counters();
    let records = &desk.metrics.usage_records;
    set(records, &[("state", "waiting")], counters.waiting);
    set(records, &[("state", "written")], counters.written);
    set(records, &[("state", "spilled")], counters.spilled);
    set(records, &[("state", "lost")], counters.lost);
}

fn limits(desk: &Desk) {
    let state = desk.gates.limiter.state();
    let limits = &desk.metrics.limits;
    set(limits, &[("decision", "admitted")], state.counters.admitted);
    set(limits, &[("decision", "denied_requests")], state.counters.denied_requests);
    set(limits, &[("decision", "denied_tokens")], state.counters.denied_tokens);
    set(limits, &[("decision", "denied_concurrent")], state.counters.denied_concurrent);
    set(limits, &[("decision", "by_fallback")], state.by_fallback);
    set(limits, &[("decision", "degraded_now")], u64::from(matches!(state.store, Store::Degraded { .. })));
}

fn keys(desk: &Desk) {
    let figures = desk.keys.figures();
    // A key that is gone has no figures any more.
    desk.metrics.keys.clear();
    for kid in &figures.kids {
        set(&desk.metrics.keys, &[("kid", kid.kid.as_str()), ("what", "admitted")], kid.admitted);
        set(&desk.metrics.keys, &[("kid", kid.kid.as_str()), ("what", "signed")], kid.signed);
    }
    set(&desk.metrics.keys, &[("kid", "unknown"), ("what", "refused")], figures.unknown);
    let reloads = &desk.metrics.key_reloads;
    set(reloads, &[("outcome", "done")], figures.reloaded);
    set(reloads, &[("outcome", "refused")], figures.reload_failed);
    set(reloads, &[("outcome", "refused_now")], u64::from(figures.refused_now));
}

fn breaker(desk: &Desk) {
    desk.metrics.breaker.clear();
    for circuit in desk.gates.breaker.snapshot(Instant::now()) {
        for (state, name) in
            [(CircuitState::Closed, "closed"), (CircuitState::Open, "open"), (CircuitState::HalfOpen, "half_open")]
        {
            let is_in = u64::from(circuit.state == state);
            set(&desk.metrics.breaker, &[("model", &circuit.model), ("state", name)], is_in);
        }
    }
}

fn set(polled: &Polled, labels: &[(&'static str, &str)], value: u64) {
    let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>();
    polled.get_or_create(&labels).set(gauge(value));
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

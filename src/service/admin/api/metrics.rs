//! `/metrics`: reads the counters of every part when Prometheus asks.

use std::time::SystemTime;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use tokio::time::Instant;

use super::state::AdminState;
use crate::service::govern::breaker::CircuitState;
use crate::service::govern::limits::Store;
use crate::service::telemetry::metrics::{MEDIA_TYPE, Polled};

/// The page for Prometheus. It needs no token and shows nothing of single devices.
pub(super) async fn page(State(admin_state): State<AdminState>) -> Response {
    revocations(&admin_state);
    usage(&admin_state);
    otlp(&admin_state);
    limits(&admin_state);
    bootstrap(&admin_state);
    keys(&admin_state);
    tls(&admin_state);
    leaks(&admin_state);
    breaker(&admin_state);
    ([(CONTENT_TYPE, MEDIA_TYPE)], admin_state.metrics.page()).into_response()
}

fn revocations(admin_state: &AdminState) {
    let revocations = &admin_state.access.revocations;
    admin_state.metrics.revocation_staleness.set(gauge(revocations.staleness().as_secs()));
    admin_state.metrics.revocations.set(gauge(revocations.count() as u64));
    admin_state.metrics.open_requests.set(gauge(revocations.open_requests() as u64));
}

fn usage(admin_state: &AdminState) {
    let counters = admin_state.usage.counters();
    let records = &admin_state.metrics.usage_records;
    set(records, &[("state", "waiting")], counters.waiting);
    set(records, &[("state", "written")], counters.written);
    set(records, &[("state", "spilled")], counters.spilled);
    set(records, &[("state", "lost")], counters.lost);
}

fn otlp(admin_state: &AdminState) {
    let Some(otlp) = &admin_state.otlp else { return };
    let (counters, sent) = (otlp.counters(), &admin_state.metrics.otlp);
    set(sent, &[("what", "records"), ("state", "waiting")], counters.waiting);
    set(sent, &[("what", "records"), ("state", "dropped")], counters.dropped);
    set(sent, &[("what", "spans"), ("state", "exported")], counters.exported);
    set(sent, &[("what", "spans"), ("state", "lost")], counters.lost);
}

fn limits(admin_state: &AdminState) {
    let state = admin_state.limiter.state();
    let limits = &admin_state.metrics.limits;
    set(limits, &[("decision", "admitted")], state.counters.admitted);
    set(limits, &[("decision", "denied_requests")], state.counters.denied_requests);
    set(limits, &[("decision", "denied_tokens")], state.counters.denied_tokens);
    set(limits, &[("decision", "denied_concurrent")], state.counters.denied_concurrent);
    set(limits, &[("decision", "by_fallback")], state.by_fallback);
    set(limits, &[("decision", "degraded_now")], u64::from(matches!(state.store, Store::Degraded { .. })));
}

fn bootstrap(admin_state: &AdminState) {
    let figures = admin_state.issuer.bootstrap_figures();
    let bootstrap = &admin_state.metrics.bootstrap;
    set(bootstrap, &[("what", "network_refused")], figures.refused_networks);
    set(bootstrap, &[("what", "new_device_refused")], figures.refused_devices);
    set(bootstrap, &[("what", "networks_remembered")], figures.networks as u64);
}

fn keys(admin_state: &AdminState) {
    let figures = admin_state.keys.figures();
    // Drops the series of removed keys.
    admin_state.metrics.keys.clear();
    for kid in &figures.kids {
        set(&admin_state.metrics.keys, &[("kid", kid.kid.as_str()), ("what", "admitted")], kid.admitted);
        set(&admin_state.metrics.keys, &[("kid", kid.kid.as_str()), ("what", "signed")], kid.signed);
    }
    set(&admin_state.metrics.keys, &[("kid", "unknown"), ("what", "refused")], figures.unknown);
    set(&admin_state.metrics.reloads, &[("what", "signing_keys"), ("outcome", "done")], figures.reloaded);
    set(&admin_state.metrics.reloads, &[("what", "signing_keys"), ("outcome", "refused")], figures.reload_failed);
    let refused_now = u64::from(figures.refused_now);
    set(&admin_state.metrics.reloads, &[("what", "signing_keys"), ("outcome", "refused_now")], refused_now);
}

fn tls(admin_state: &AdminState) {
    let Some(figures) = admin_state.tls.as_ref().map(|tls| tls.figures()) else { return };
    let (handshakes, reloads) = (&admin_state.metrics.handshakes, &admin_state.metrics.reloads);
    set(handshakes, &[("outcome", "done")], figures.done);
    set(handshakes, &[("outcome", "failed")], figures.failed);
    set(handshakes, &[("outcome", "timed_out")], figures.timed_out);
    set(reloads, &[("what", "certificate"), ("outcome", "done")], figures.reloaded);
    set(reloads, &[("what", "certificate"), ("outcome", "refused")], figures.reload_failed);
    let left = seconds_until(figures.expires_at, admin_state.clock.now());
    admin_state.metrics.certificate_expiry.get_or_create(&Vec::new()).set(left);
}

/// Negative once `end` has passed.
fn seconds_until(end: SystemTime, now: SystemTime) -> i64 {
    match end.duration_since(now) {
        Ok(left) => gauge(left.as_secs()),
        Err(over) => -gauge(over.duration().as_secs()),
    }
}

fn leaks(admin_state: &AdminState) {
    let figures = admin_state.leaks.figures();
    let leaks = &admin_state.metrics.leaks;
    set(leaks, &[("action", "observed")], figures.observed);
    set(leaks, &[("action", "refreshed")], figures.refreshed);
    set(leaks, &[("action", "revoked")], figures.revoked);
    set(leaks, &[("action", "withheld")], figures.withheld);
    set(leaks, &[("action", "failed")], figures.failed);
    set(&admin_state.metrics.sightings, &[("what", "devices")], figures.devices);
    set(&admin_state.metrics.sightings, &[("what", "heard")], figures.heard);
}

fn breaker(admin_state: &AdminState) {
    admin_state.metrics.breaker.clear();
    for circuit in admin_state.breaker.snapshot(Instant::now()) {
        for (state, name) in
            [(CircuitState::Closed, "closed"), (CircuitState::Open, "open"), (CircuitState::HalfOpen, "half_open")]
        {
            let is_in = u64::from(circuit.state == state);
            set(&admin_state.metrics.breaker, &[("model", &circuit.model), ("state", name)], is_in);
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

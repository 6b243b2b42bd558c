use http::StatusCode;
use proptest::prelude::*;

use std::time::Duration;

use super::*;
use crate::transport::problem::Problem;

const OK: UpstreamOutcome = UpstreamOutcome::Answered(StatusCode::OK);
const BAD: UpstreamOutcome = UpstreamOutcome::Answered(StatusCode::BAD_GATEWAY);

/// A breaker that puts `device(0)`, `device(1)` … into different shares, and a moment to begin with.
struct Bench {
    breaker: Breaker,
    now: Instant,
    devices: Vec<DeviceId>,
}

impl Bench {
    fn new() -> Self {
        Self::with(BreakerSettings::default())
    }

    fn with(settings: BreakerSettings) -> Self {
        let breaker = Breaker::new(settings);
        let mut devices: Vec<DeviceId> = Vec::new();
        let share = |device: &DeviceId| DeviceShare::of(device, &breaker.0.shares);
        for number in 0.. {
            let device = DeviceId::parse(&format!("device-{number:04}")).unwrap();
            if devices.iter().all(|other| share(other) != share(&device)) {
                devices.push(device);
            }
            if devices.len() == 8 {
                break;
            }
        }
        Self { breaker, now: Instant::now(), devices }
    }

    fn admit(&self, model: &str, device: usize) -> Result<CircuitPermit, CircuitOpenError> {
        self.breaker.admit(model, &self.devices[device], self.now)
    }

    /// Makes one request from beginning to end. Returns whether it was let through.
    fn ask(&self, model: &str, device: usize, outcome: UpstreamOutcome) -> bool {
        self.admit(model, device).map(|passage| passage.ended(outcome, self.now)).is_ok()
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn state(&self, model: &str) -> CircuitState {
        self.view(model).state
    }

    fn view(&self, model: &str) -> CircuitView {
        self.breaker.snapshot(self.now).into_iter().find(|view| view.model == model).unwrap()
    }

    /// Gives `model` a circuit of its own and opens it.
    fn open(&self, model: &str) {
        self.ask(model, 0, OK);
        for _ in 0..20 {
            for device in 0..8 {
                self.ask(model, device, BAD);
            }
        }
        assert_eq!(self.state(plain_id(model)), CircuitState::Open);
    }
}

#[test]
fn f05_ids_of_one_model_share_a_circuit() {
    let bench = Bench::new();
    bench.open("claude-x-20260101");
    assert_eq!(bench.state("claude-x"), CircuitState::Open);
    assert!(bench.admit("claude-x[1m]", 0).is_err());
}

#[test]
fn f05_a_circuit_opens_at_the_least_volume_and_lets_one_probe_through() {
    let mut bench = Bench::new();
    bench.ask("m", 0, OK);
    for number in 0..20 {
        assert!(bench.ask("m", number % 8, UpstreamOutcome::Broke), "request {number}");
    }
    assert_eq!(bench.admit("m", 0).unwrap_err().retry_after, Duration::from_secs(10));
    bench.later(10);
    let probe = bench.admit("m", 0).unwrap();
    assert!(probe.ticket.probe.is_some());
    assert_eq!(bench.admit("m", 1).unwrap_err().retry_after, Duration::from_secs(1));
    probe.ended(OK, bench.now);
    assert_eq!(bench.state("m"), CircuitState::Closed);
    assert!(bench.ask("m", 1, OK));
}

#[test]
fn a_failed_probe_opens_the_circuit_again() {
    let mut bench = Bench::new();
    bench.open("m");
    bench.later(10);
    assert!(bench.ask("m", 0, UpstreamOutcome::TimedOut));
    assert!(!bench.ask("m", 0, OK));
    assert_eq!((bench.state("m"), bench.view("m").openings), (CircuitState::Open, 2));
}

#[test]
fn a_probe_without_a_verdict_makes_way_for_the_next() {
    let mut bench = Bench::new();
    bench.open("m");
    bench.later(10);
    drop(bench.admit("m", 0).unwrap());
    assert!(bench.ask("m", 1, UpstreamOutcome::Answered(StatusCode::BAD_REQUEST)));
    assert!(bench.ask("m", 2, UpstreamOutcome::Cancelled));
    assert!(bench.admit("m", 3).unwrap().ticket.probe.is_some());
}

#[test]
fn a_slow_probe_does_not_keep_other_requests_out() {
    let mut bench = Bench::new();
    bench.open("m");
    bench.later(10);
    let slow = bench.admit("m", 0).unwrap();
    bench.later(9);
    assert!(bench.admit("m", 1).is_err());
    bench.later(1);
    let next = bench.admit("m", 1).unwrap();
    drop(slow);
    assert!(bench.admit("m", 2).is_err(), "the place is the second probe's");
    next.ended(OK, bench.now);
    assert_eq!(bench.state("m"), CircuitState::Closed);
}

#[test]
fn f03_mistakes_of_clients_and_limits_do_not_count() {
    let bench = Bench::new();
    bench.ask("m", 0, OK);
    for number in 0..1000 {
        for status in [400, 401, 404, 413, 429] {
            bench.ask("m", number % 8, UpstreamOutcome::Answered(StatusCode::from_u16(status).unwrap()));
        }
        bench.ask("m", number % 8, UpstreamOutcome::Cancelled);
        drop(bench.admit("m", number % 8));
    }
    let view = bench.view("m");
    assert_eq!((view.state, view.requests, view.failures), (CircuitState::Closed, 0, 0));
}

#[test]
fn half_of_all_requests_may_fail() {
    let bench = Bench::new();
    bench.ask("m", 0, OK);
    for number in 0..200 {
        bench.ask("m", number % 8, OK);
        bench.ask("m", number % 8, BAD);
    }
    assert_eq!(bench.state("m"), CircuitState::Closed);
}

#[test]
fn failures_are_forgotten_after_the_window() {
    let mut bench = Bench::new();
    bench.ask("m", 0, OK);
    for number in 0..19 {
        bench.ask("m", number % 8, BAD);
    }
    bench.later(60);
    assert_eq!(bench.view("m").failures, 0);
    for number in 0..19 {
        bench.ask("m", number % 8, BAD);
    }
    assert_eq!(bench.state("m"), CircuitState::Closed);
    bench.ask("m", 7, BAD);
    assert_eq!(bench.state("m"), CircuitState::Open);
}

#[test]
fn answers_to_requests_from_before_an_opening_change_nothing() {
    let mut bench = Bench::new();
    bench.ask("m", 0, OK);
    let old = [bench.admit("m", 0).unwrap(), bench.admit("m", 1).unwrap(), bench.admit("m", 2).unwrap()];
    bench.open("m");
    bench.later(10);
    let probe = bench.admit("m", 0).unwrap();
    let [good, bad, left] = old;
    good.ended(OK, bench.now);
    bad.ended(BAD, bench.now);
    drop(left);
    assert_eq!(bench.state("m"), CircuitState::HalfOpen);
    assert!(bench.admit("m", 1).is_err());
    probe.ended(OK, bench.now);
    assert_eq!(bench.view("m").requests, 0);
}

#[test]
fn a47_one_device_alone_cannot_open_a_circuit() {
    let bench = Bench::new();
    bench.ask("m", 1, OK);
    for _ in 0..10_000 {
        assert!(bench.ask("m", 0, BAD));
    }
    for number in 0..1000 {
        assert!(bench.ask("m", 1 + number % 7, OK));
        assert!(bench.ask("m", 0, BAD));
    }
    assert_eq!(bench.state("m"), CircuitState::Closed);
}

#[test]
fn a47_one_device_alone_cannot_keep_a_circuit_open() {
    let mut bench = Bench::new();
    bench.open("m");
    bench.later(10);
    bench.ask("m", 0, BAD);
    assert_eq!(bench.state("m"), CircuitState::Open);
    bench.later(10);
    for _ in 0..100 {
        assert!(bench.ask("m", 0, BAD), "its second failure in a row decides nothing");
    }
    assert!(bench.ask("m", 1, OK));
    assert_eq!(bench.state("m"), CircuitState::Closed);
}

#[test]
fn a47_a_failing_model_leaves_the_others_alone() {
    let bench = Bench::new();
    bench.ask("good", 0, OK);
    bench.open("bad");
    assert!(!bench.ask("bad", 0, OK));
    assert!(bench.ask("good", 0, OK));
}

#[test]
fn a48_names_that_clients_make_up_get_no_circuit() {
    let bench = Bench::new();
    for number in 0..10_000 {
        bench.ask(&format!("made-up-{number}"), number % 8, UpstreamOutcome::Answered(StatusCode::NOT_FOUND));
        bench.ask(&format!("made-up-{number}"), 0, BAD);
    }
    bench.ask(&"x".repeat(129), 0, OK);
    bench.ask("", 0, OK);
    let labels: Vec<_> = bench.breaker.snapshot(bench.now).into_iter().map(|view| view.model).collect();
    assert_eq!(labels, ["other"]);
}

#[test]
fn a48_beyond_so_many_models_the_rest_share_a_circuit() {
    let bench = Bench::with(BreakerSettings { most_models: 2, ..BreakerSettings::default() });
    for model in ["b", "a", "c", "d"] {
        bench.ask(model, 0, OK);
    }
    let labels: Vec<_> = bench.breaker.snapshot(bench.now).into_iter().map(|view| view.model).collect();
    assert_eq!(labels, ["other", "a", "b"]);
}

#[tokio::test]
async fn an_open_circuit_is_answered_with_503_and_when_to_come_back() {
    let open = CircuitOpenError { retry_after: Duration::from_millis(9_100) };
    let response = Problem::from(open).into_response(&crate::transport::request_id::RequestId::next());
    assert_eq!(response.status(), 503);
    let header = |name| response.headers()[name].to_str().unwrap();
    assert_eq!((header("retry-after"), header("x-should-retry")), ("10", "true"));
    assert_eq!(header("x-valetkey-error"), "breaker_open");
}

#[test]
fn a_view_is_plain_json() {
    let bench = Bench::new();
    bench.open("m");
    let golden = serde_json::json!({
        "model": "m", "state": "open", "requests": 0, "failures": 0, "openings": 1, "retry_after_ms": 10_000
    });
    assert_eq!(serde_json::to_value(bench.view("m")).unwrap(), golden);
}

proptest! {
    /// One device beside healthy ones leaves the circuit closed, whatever it does and in whatever order.
    #[test]
    fn a47_no_pattern_of_one_device_opens_it(steps in prop::collection::vec((any::<bool>(), 0..8usize, 0..20u64), 1..500)) {
        let mut bench = Bench::new();
        for (attacks, device, seconds) in steps {
            if attacks { bench.ask("m", 0, BAD) } else { bench.ask("m", 1 + device % 7, OK) };
            bench.later(seconds / 19);
            prop_assert_eq!(bench.state("other"), CircuitState::Closed);
        }
        prop_assert!(bench.breaker.snapshot(bench.now).iter().all(|view| view.openings == 0));
    }
}

#[test]
fn a_good_head_closes_the_circuit_while_its_stream_goes_on() {
    let mut bench = Bench::new();
    bench.open("m");
    bench.later(10);
    let mut probe = bench.admit("m", 0).unwrap();
    probe.answered(StatusCode::OK, bench.now);
    assert_eq!(bench.state("m"), CircuitState::Closed);
    assert!(bench.ask("m", 1, OK), "no request waits for the end of the probe");
    probe.ended(UpstreamOutcome::Broke, bench.now);
    assert_eq!(
        bench.state("m"),
        CircuitState::Closed,
        "what was let through in another epoch says nothing in this one"
    );
}

#[test]
fn f06_streams_that_begin_well_and_break_are_one_failed_request_each() {
    let bench = Bench::new();
    bench.ask("m", 0, OK);
    for number in 0..20 {
        let mut passage = bench.admit("m", number % 8).unwrap();
        passage.answered(StatusCode::OK, bench.now);
        passage.ended(UpstreamOutcome::Broke, bench.now);
    }
    let view = bench.view("m");
    assert_eq!((view.state, view.openings), (CircuitState::Open, 1));
    let mut well = bench.admit("other-model", 0).unwrap();
    well.answered(StatusCode::OK, bench.now);
    well.ended(OK, bench.now);
    let view = bench.view(OTHER);
    assert_eq!((view.requests, view.failures), (2, 0), "this one, and the one that gave `m` its circuit");
}

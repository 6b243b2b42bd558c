//! The states of the circuits for `/metrics`.

use std::fmt;

use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

use super::Breaker;
use super::snapshot::CircuitState;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

impl MetricSource for Breaker {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let circuits = self.snapshot(Instant::now());
        let series = circuits.iter().flat_map(|circuit| {
            STATES.map(|(state, name)| {
                let labels = [("model", circuit.model.as_str()), ("state", name)];
                (labels, ConstGauge::new(u32::from(circuit.state == state)))
            })
        });
        page.family("breaker", "1 for the state that the circuit of a model is in", series)
    }
}

const STATES: [(CircuitState, &str); 3] =
    [(CircuitState::Closed, "closed"), (CircuitState::Open, "open"), (CircuitState::HalfOpen, "half_open")];

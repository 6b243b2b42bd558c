//! The view of a circuit for metrics and administrators.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::clock;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CircuitView {
    /// The model, or [`OTHER`](super::OTHER).
    pub model: String,
    pub state: CircuitState,
    /// Requests within the window that count: answered well or failed.
    pub requests: u64,
    pub failures: u64,
    /// How often the circuit has opened since the start, failed probes included.
    pub openings: u64,
    /// While the circuit is open: until a probe may go, in milliseconds.
    #[serde(rename = "retry_after_ms", serialize_with = "millis")]
    pub retry_after: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    Closed,
    Open,
    /// One request at a time passes, as a probe.
    HalfOpen,
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(clock::millis(*duration))
}

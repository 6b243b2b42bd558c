//! What metrics and administrators see of a circuit.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// How one circuit stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CircuitView {
    /// The model, or [`OTHER`](super::OTHER).
    pub model: String,
    /// Where it stands.
    pub state: CircuitState,
    /// Requests within the window that count: answered well or failed.
    pub requests: u64,
    /// How many of them failed.
    pub failures: u64,
    /// How often it has opened since the start, failed probes included.
    pub openings: u64,
    /// While it is open: until a probe may go, in milliseconds.
    #[serde(rename = "retry_after_ms", serialize_with = "millis")]
    pub retry_after: Duration,
}

/// Where a circuit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// Requests pass.
    Closed,
    /// Requests are refused.
    Open,
    /// One request at a time passes, to try.
    HalfOpen,
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

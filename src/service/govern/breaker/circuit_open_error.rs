//! The refusal by an open circuit.

use std::time::Duration;

use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// The refusal by an open circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the circuit is open for another {retry_after:?}")]
pub struct CircuitOpenError {
    pub retry_after: Duration,
}

impl From<CircuitOpenError> for Problem {
    fn from(open: CircuitOpenError) -> Self {
        let message = "The upstream is failing for this model and is not asked for a moment; try again shortly";
        Self::new(ErrorCode::BreakerOpen, message).retry_after(open.retry_after)
    }
}

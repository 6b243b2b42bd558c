//! Stops asking an upstream for a model that keeps failing, and tries again carefully.
//!
//! Each upstream has one [`Breaker`], with a circuit for each model. A *closed* circuit lets requests through and
//! counts how they end. When it has seen enough of them and too many failed, it *opens*, and requests are refused at
//! once. After a while it is *half-open* and lets one probe at a time through, whose end decides. Only failures of the
//! upstream count ([`UpstreamOutcome`]): a client's mistake, a limit (429) and a client that left say nothing about its health.
//!
//! **One device cannot open a circuit** by provoking errors: devices fall into [shares](share), and each share counts
//! for at most as many requests as are not enough to open the circuit. So it takes two devices at least; a service with
//! a single device passes the upstream's errors on to it.
//!
//! **Names that clients make up take no memory.** A model gets a circuit of its own with its first good answer; until
//! then, and beyond [`BreakerSettings::most_models`], it shares the circuit [`OTHER`].

mod circuit;
mod circuit_permit;
mod circuits;
mod outcome;
mod recent;
mod share;
mod snapshot;

#[cfg(test)]
mod tests;

use std::hash::RandomState;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use self::circuit::{CircuitChange, Ticket};
pub use self::circuit_permit::CircuitPermit;
use self::circuits::Circuits;
pub use self::outcome::UpstreamOutcome;
use self::share::DeviceShare;
pub use self::snapshot::{CircuitState, CircuitView};
use crate::lock::lock;
use crate::transport::problem::Problem;
use crate::wire::{DeviceId, ErrorCode};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How far back requests count.
    pub window: Duration,
    /// Fewer requests than this within the window decide nothing.
    pub least_volume: u32,
    /// A circuit opens when more than this percentage failed.
    pub most_failures: u32,
    /// How long a circuit stays open before a probe, and how long a probe may take before there is another.
    pub pause: Duration,
    /// The most models with a circuit of their own.
    pub most_models: usize,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            least_volume: 20,
            most_failures: 50,
            pause: Duration::from_secs(10),
            most_models: 64,
        }
    }
}

/// The circuits of one upstream. Clones share them.
#[derive(Debug, Clone)]
pub struct Breaker(Arc<BreakerState>);

#[derive(Debug)]
struct BreakerState {
    settings: BreakerSettings,
    /// A random hash, so that the share of a device cannot be foreseen from outside.
    shares: RandomState,
    circuits: Mutex<Circuits>,
}

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

impl Breaker {
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self(Arc::new(BreakerState { settings, shares: RandomState::new(), circuits: Mutex::default() }))
    }

    /// A request whose model is not known has the empty name.
    pub fn admit(&self, model: &str, device: &DeviceId, now: Instant) -> Result<CircuitPermit, CircuitOpenError> {
        let share = DeviceShare::of(device, &self.0.shares);
        let ticket = lock(&self.0.circuits).admit(model, share, now, &self.0.settings)?;
        Ok(CircuitPermit::new(Arc::clone(&self.0), model, ticket))
    }

    /// How every circuit stands, `other` first and the rest by name.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Vec<CircuitView> {
        lock(&self.0.circuits).snapshot(now, &self.0.settings)
    }
}

impl BreakerState {
    fn ended(&self, model: &str, ticket: &Ticket, outcome: UpstreamOutcome, now: Instant) {
        let change = lock(&self.circuits).ended(model, ticket, outcome, now, &self.settings);
        // A model without a circuit is not named here: clients make such names up.
        let model = if ticket.of_other { OTHER } else { model };
        match change {
            Some(CircuitChange::Opened) => {
                tracing::warn!(model, "The upstream keeps failing for {model}: it is not asked for a while");
            }
            Some(CircuitChange::Closed) => tracing::info!(model, "The upstream answers again for {model}"),
            None => {}
        }
    }
}

/// The name of the circuit of all models that have none of their own. No model of the API is called so.
pub const OTHER: &str = "other";

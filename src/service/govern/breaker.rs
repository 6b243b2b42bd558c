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
mod circuit_open_error;
mod circuit_permit;
mod circuits;
mod outcome;
mod recent;
mod settings;
mod share;
mod snapshot;
mod state;

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::RandomState;
use std::sync::{Arc, Mutex};

use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

pub use self::circuit_permit::CircuitPermit;
pub use self::circuits::OTHER;
pub use self::outcome::UpstreamOutcome;
pub use self::settings::BreakerSettings;
use self::share::DeviceShare;
pub use self::snapshot::{CircuitState, CircuitView};
use self::state::BreakerState;

pub use self::circuit_open_error::CircuitOpenError;
use crate::lock::lock;
use crate::service::base::model_id::plain_id;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};
use crate::wire::DeviceId;

/// The circuits of one upstream. Clones share them.
#[derive(Debug, Clone)]
pub struct Breaker(Arc<BreakerState>);

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Self {
        Self(Arc::new(BreakerState { settings, shares: RandomState::new(), circuits: Mutex::default() }))
    }

    /// A request whose model is not known has the empty name.
    pub fn admit(&self, model: &str, device: &DeviceId, now: Instant) -> Result<CircuitPermit, CircuitOpenError> {
        let model = plain_id(model);
        let share = DeviceShare::of(device, &self.0.shares);
        let ticket = lock(&self.0.circuits).admit(model, share, now, &self.0.settings)?;
        Ok(CircuitPermit::new(Arc::clone(&self.0), model, ticket))
    }

    /// How every circuit stands, `other` first and the rest by name.
    pub fn snapshot(&self, now: Instant) -> Vec<CircuitView> {
        lock(&self.0.circuits).snapshot(now, &self.0.settings)
    }
}

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

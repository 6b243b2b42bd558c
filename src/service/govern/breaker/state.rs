//! The circuits of one upstream, and the log lines about them.

use std::hash::RandomState;
use std::sync::Mutex;

use tokio::time::Instant;

use super::circuit::{CircuitChange, Ticket};
use super::circuits::{Circuits, OTHER};
use super::outcome::UpstreamOutcome;
use super::settings::BreakerSettings;
use crate::lock::lock;

#[derive(Debug)]
pub(super) struct BreakerState {
    pub(super) settings: BreakerSettings,
    /// A random hash, so that the share of a device cannot be foreseen from outside.
    pub(super) shares: RandomState,
    pub(super) circuits: Mutex<Circuits>,
}

impl BreakerState {
    pub(super) fn ended(&self, model: &str, ticket: &Ticket, outcome: UpstreamOutcome, now: Instant) {
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

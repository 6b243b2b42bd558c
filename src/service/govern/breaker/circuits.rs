//! The circuits of one upstream by model, and the choice of models that get one.

use std::collections::HashMap;

use tokio::time::Instant;

use super::circuit::{Circuit, CircuitChange, Ticket};
use super::share::DeviceShare;
use super::{BreakerSettings, CircuitOpenError, CircuitView, UpstreamOutcome};

/// The name of the circuit of all models that have none of their own. No model of the API is called so.
pub const OTHER: &str = "other";

#[derive(Debug, Default)]
pub(super) struct Circuits {
    own: HashMap<Box<str>, Circuit>,
    other: Circuit,
}

impl Circuits {
    pub(super) fn admit(
        &mut self,
        model: &str,
        share: DeviceShare,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Result<Ticket, CircuitOpenError> {
        let own = self.own.get_mut(model);
        let of_other = own.is_none();
        let (epoch, probe) = own.unwrap_or(&mut self.other).admit(now, settings)?;
        Ok(Ticket { of_other, share, epoch, probe, counted: false })
    }

    pub(super) fn ended(
        &mut self,
        model: &str,
        ticket: &Ticket,
        outcome: UpstreamOutcome,
        now: Instant,
        settings: &BreakerSettings,
    ) -> Option<CircuitChange> {
        if !ticket.of_other {
            return self.own.get_mut(model)?.ended(ticket, outcome, now, settings);
        }
        let has_room = self.own.len() < settings.most_models;
        if outcome.is_good() && has_room && (1..=LONGEST_NAME).contains(&model.len()) {
            self.own.entry(model.into()).or_default();
        }
        self.other.ended(ticket, outcome, now, settings)
    }

    pub(super) fn snapshot(&mut self, now: Instant, settings: &BreakerSettings) -> Vec<CircuitView> {
        let own = self.own.iter_mut().map(|(model, circuit)| circuit.view(model, now, settings));
        let mut views: Vec<_> = own.collect();
        views.sort_by(|one, two| one.model.cmp(&two.model));
        views.insert(0, self.other.view(OTHER, now, settings));
        views
    }
}

const LONGEST_NAME: usize = 128;

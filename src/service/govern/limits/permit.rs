//! The right to one request.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::Denied;
use super::device::{Demand, Device, Taken};
use super::lease::{Errand, Lease, Place};

/// Hold it as long as the request is open: dropping it makes room for the next.
#[must_use = "the request counts as ended when this is dropped"]
pub struct Permit {
    open: Option<Open>,
    /// Where others hear of it, and as whose.
    told: Option<(UnboundedSender<Errand>, Arc<str>)>,
    /// Where others count it.
    place: Option<Place>,
    _lease: Option<Lease>,
    is_metered: bool,
}

/// A request that its device knows of.
pub(super) struct Open {
    device: Arc<Device>,
    taken: Taken,
}

impl Permit {
    /// Tokens that the request has used, once they are known. They count against the device's minute from now on.
    pub fn charge_tokens(&self, tokens: u64) {
        let Some(open) = self.open.as_ref().filter(|_| self.is_metered && tokens > 0) else { return };
        open.device.charge(tokens);
        if let Some((errands, name)) = &self.told {
            // When the courier has ended, so has the limiter.
            let _ = errands.send(Errand::Charge(Arc::clone(name), tokens));
        }
    }

    /// As if the request had never been admitted. Others hear of it a moment later.
    pub fn take_back(self) {
        if let (Some((errands, name)), Some(place)) = (&self.told, self.place) {
            let _ = errands.send(Errand::TakeBack(Arc::clone(name), place));
        }
        if let Some(open) = self.open {
            open.take_back();
        }
    }

    /// For a request that nothing limits.
    pub(super) fn unlimited() -> Self {
        Self { open: None, told: None, place: None, _lease: None, is_metered: false }
    }

    /// For a request that only this process knows of.
    pub(super) fn local(open: Open, demand: &Demand<'_>) -> Self {
        let is_metered = demand.tokens().is_some();
        Self { open: Some(open), told: None, place: None, _lease: None, is_metered }
    }

    /// The same, and others hear of it.
    pub(super) fn shared(self, errands: &UnboundedSender<Errand>, name: &Arc<str>, lease: Option<Lease>) -> Self {
        if let Some(lease) = &lease {
            lease.hold();
        }
        Self { told: Some((errands.clone(), Arc::clone(name))), _lease: lease, ..self }
    }

    /// The same, and others count it there.
    pub(super) fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }
}

impl Open {
    /// Asks the device alone.
    pub(super) fn admit(device: &Arc<Device>, demand: &Demand<'_>) -> Result<Self, Denied> {
        let taken = device.admit(demand)?;
        Ok(Self { device: Arc::clone(device), taken })
    }

    /// As if it had never been.
    pub(super) fn take_back(mut self) {
        self.device.take_back(self.taken);
        self.taken.is_open = false;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.taken.is_open {
            self.device.close();
        }
    }
}

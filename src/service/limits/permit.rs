//! The right to one request.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::Denied;
use super::device::{Demand, Device, Taken};
use super::lease::{Errand, Lease};

/// Hold it as long as the request is open: dropping it makes room for the next.
#[must_use = "the request counts as ended when this is dropped"]
pub struct Permit {
    open: Option<Open>,
    /// Where others hear of tokens, and as whose.
    charges: Option<(UnboundedSender<Errand>, Arc<str>)>,
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
        if let Some((errands, name)) = &self.charges {
            // When the courier has ended, so has the limiter.
            let _ = errands.send(Errand::Charge(Arc::clone(name), tokens));
        }
    }

    /// For a request that nothing limits.
    pub(super) fn unlimited() -> Self {
        Self { open: None, charges: None, _lease: None, is_metered: false }
    }

    /// For a request that only this process knows of.
    pub(super) fn local(open: Open, demand: &Demand<'_>) -> Self {
        Self { open: Some(open), charges: None, _lease: None, is_metered: demand.tokens().is_some() }
    }

    /// The same, and others hear of it.
    pub(super) fn shared(self, errands: &UnboundedSender<Errand>, name: &Arc<str>, lease: Option<Lease>) -> Self {
        if let Some(lease) = &lease {
            lease.hold();
        }
        let charges = self.is_metered.then(|| (errands.clone(), Arc::clone(name)));
        Self { charges, _lease: lease, ..self }
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

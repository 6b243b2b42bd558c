//! The permit of an admitted request.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::device::{Demand, LimitedDevice, Taken};
use super::lease::{Lease, RedisCount, RedisUpdate, WindowSlot};
use super::{Allowance, LimitExceededError};

/// The right to one request. Its holder keeps it while the request is open; dropping it makes room for the next
/// request. The default permit is for a request to which no limit applies.
#[must_use = "the request counts as ended when this is dropped"]
#[derive(Default)]
pub struct Permit {
    open: Option<OpenPermit>,
    /// The Redis task, and the device's name there; `None` if Redis does not count the request.
    told: Option<(UnboundedSender<RedisUpdate>, Arc<str>)>,
    /// The slot in which Redis counts the request.
    place: Option<WindowSlot>,
    _lease: Option<Lease>,
    is_metered: bool,
    /// What was left when the request was admitted; `None` when clients are told of no limit, and when this process has
    /// decided in place of Redis: it does not know what other instances admit.
    allowance: Option<Box<Allowance>>,
}

/// A request that counts at its device.
pub(super) struct OpenPermit {
    device: Arc<LimitedDevice>,
    taken: Taken,
}

impl Permit {
    /// Charges the tokens that the request has used, once they are known. They count against the device's minute from
    /// now on.
    pub fn charge_tokens(&self, tokens: u64) {
        let Some(open) = self.open.as_ref().filter(|_| self.is_metered && tokens > 0) else { return };
        open.device.charge(tokens);
        if let Some((updates, name)) = &self.told {
            // When the Redis task has ended, so has the limiter.
            let _ = updates.send(RedisUpdate::Charge(Arc::clone(name), tokens));
        }
    }

    /// What was left of the device's limits when the request was admitted, as far as its clients are told.
    pub fn allowance(&self) -> Option<Allowance> {
        self.allowance.as_deref().copied()
    }

    /// Undoes the admission, as if it had never been. Other instances learn of it a moment later.
    pub fn take_back(self) {
        if let (Some((updates, name)), Some(place)) = (&self.told, self.place) {
            let _ = updates.send(RedisUpdate::TakeBack(Arc::clone(name), place));
        }
        if let Some(open) = self.open {
            open.take_back();
        }
    }

    /// For a request that only this process knows of.
    pub(super) fn local(open: OpenPermit, demand: &Demand<'_>) -> Self {
        Self { open: Some(open), is_metered: demand.tokens().is_some(), ..Self::default() }
    }

    /// For a request that no other instance counts: also notes what is left.
    pub(super) fn alone(open: OpenPermit, demand: &Demand<'_>) -> Self {
        let allowance = open.device.allowance(demand, &RedisCount::default());
        Self { allowance, ..Self::local(open, demand) }
    }

    /// Also tells the Redis task what this request charges, so that other instances count it.
    pub(super) fn shared(self, updates: &UnboundedSender<RedisUpdate>, name: &Arc<str>, lease: Option<Lease>) -> Self {
        if let Some(lease) = &lease {
            lease.hold();
        }
        Self { told: Some((updates.clone(), Arc::clone(name))), _lease: lease, ..self }
    }

    /// Also remembers where Redis counts the request, so that it can be taken back there, and notes what is left.
    pub(super) fn counted(self, demand: &Demand<'_>, count: &RedisCount) -> Self {
        let allowance = self.open.as_ref().and_then(|open| open.device.allowance(demand, count));
        Self { place: count.place, allowance, ..self }
    }
}

impl OpenPermit {
    /// Asks only the device in this process.
    pub(super) fn admit(device: &Arc<LimitedDevice>, demand: &Demand<'_>) -> Result<Self, LimitExceededError> {
        let taken = device.admit(demand)?;
        Ok(Self { device: Arc::clone(device), taken })
    }

    /// Undoes the admission, as if it had never been.
    pub(super) fn take_back(mut self) {
        self.device.take_back(self.taken);
        self.taken.is_open = false;
    }
}

impl Drop for OpenPermit {
    fn drop(&mut self) {
        if self.taken.is_open {
            self.device.close();
        }
    }
}

//! Limits of enrolment: tokens from `/bootstrap` per network and hour, new devices per hour in all, and renewals at
//! `/refresh` per device and minute.
//!
//! A device id is a claim without proof, so a limit per device would not stop an attacker here (A17). A device that proves the key
//! which the database has for its id is known, and is counted apart: an office whose machines all start in one hour is no flood,
//! and invented devices leave nothing of its limit. Each instance counts for itself, and a restart begins anew.

mod metrics;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::Instant;

use crate::lock::lock;
use crate::service::base::window::{SlidingWindow, Slot};
use crate::transport::problem::Problem;
use crate::wire::DeviceId;
use std::num::NonZeroU32;

/// Limits of `POST /bootstrap` per hour. `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BootstrapLimits {
    /// Requests from one network that are not those of known devices, failed ones too; those of revoked devices do not count.
    pub per_network: Option<NonZeroU32>,
    /// Requests from one network with a proof of any key; those of revoked devices do not count.
    pub proofs_per_network: Option<NonZeroU32>,
    /// Devices that this instance did not know, from all networks together.
    pub new_devices: Option<NonZeroU32>,
}

pub(crate) struct EnrolmentLimiter {
    limits: BootstrapLimits,
    epoch: Instant,
    hasher: RandomState,
    state: Mutex<EnrolmentWindows>,
    refused_networks: AtomicU64,
    refused_proofs: AtomicU64,
    refused_devices: AtomicU64,
}

/// What a request shows of its device before its body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// An id alone. It counts against [`BootstrapLimits::per_network`].
    Id,
    /// An id and a proof of a key. It counts against [`BootstrapLimits::proofs_per_network`].
    Proof,
}

/// Where a request is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    source: IpAddr,
    evidence: Evidence,
    slot: Slot,
}

#[derive(Default)]
struct EnrolmentWindows {
    networks: HashMap<IpNet, SlidingWindow>,
    /// Requests with proofs.
    proving: HashMap<IpNet, SlidingWindow>,
    /// Renewals by the hash of the device id.
    renewals: HashMap<u64, SlidingWindow>,
    new_devices: SlidingWindow,
    /// Hashes of the ids of devices that have had a token.
    known: HashSet<u64>,
    /// When the log last reported that new devices are refused.
    warned: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EnrolmentFigures {
    /// Requests refused because of their network.
    pub refused_networks: u64,
    /// Requests with proofs refused because of their network.
    pub refused_proofs: u64,
    pub refused_devices: u64,
    /// Networks in memory now.
    pub networks: usize,
}

impl EnrolmentLimiter {
    pub(crate) fn new(limits: BootstrapLimits) -> Self {
        Self {
            limits,
            epoch: Instant::now(),
            hasher: RandomState::new(),
            state: Mutex::default(),
            refused_networks: AtomicU64::new(0),
            refused_proofs: AtomicU64::new(0),
            refused_devices: AtomicU64::new(0),
        }
    }

    /// Counts a request from `source`, unless it is refused, and returns where it is counted. Loopback is not limited: it
    /// is this machine, or a proxy on it whose clients cannot be told apart.
    pub(crate) fn admit(&self, source: IpAddr, evidence: Evidence) -> Result<Option<Counted>, Problem> {
        let source = source.to_canonical();
        let (limit, refused) = match evidence {
            Evidence::Id => (self.limits.per_network, &self.refused_networks),
            Evidence::Proof => (self.limits.proofs_per_network, &self.refused_proofs),
        };
        let Some(limit) = limit.filter(|_| !source.is_loopback()) else { return Ok(None) };
        let now = self.now();
        let mut state = self.state();
        let taken = take(window_of(state.windows(evidence), network(source), now), now, HOUR, limit.get());
        drop(state);
        taken.map(|slot| Some(Counted { source, evidence, slot })).map_err(|wait| {
            refused.fetch_add(1, Ordering::Relaxed);
            Problem::rate_limited("This network has asked for too many tokens", wait)
        })
    }

    /// Takes a request back. A revoked device asks every half minute whether it is let in again, and must not use up what the
    /// other devices of its network may ask.
    pub(crate) fn forgive(&self, counted: Counted) {
        let Counted { source, evidence, slot } = counted;
        if let Some(window) = self.state().windows(evidence).get_mut(&network(source)) {
            window.take_back(slot);
        }
    }

    /// Counts `device` as new, unless it is known. Called when everything else allows its token.
    pub(crate) fn enrol(&self, device: &DeviceId) -> Result<(), Problem> {
        let Some(limit) = self.limits.new_devices else { return Ok(()) };
        let (name, now) = (self.hasher.hash_one(device), self.now());
        let mut state = self.state();
        if state.known.contains(&name) {
            return Ok(());
        }
        if let Err(wait) = take(&mut state.new_devices, now, HOUR, limit.get()) {
            if state.warned.is_none_or(|warned| warned.elapsed() >= BETWEEN_WARNINGS) {
                state.warned = Some(Instant::now());
                tracing::warn!(
                    limit = limit.get(),
                    "New devices are refused: more than {limit} have come within an hour"
                );
            }
            drop(state);
            self.refused_devices.fetch_add(1, Ordering::Relaxed);
            return Err(Problem::rate_limited("Too many new devices have come within an hour", wait));
        }
        state.remember(name);
        Ok(())
    }

    /// Marks a device that presented a good token as known.
    pub(crate) fn know(&self, device: &DeviceId) {
        if self.limits.new_devices.is_some() {
            let name = self.hasher.hash_one(device);
            self.state().remember(name);
        }
    }

    /// Counts a renewal of a token of `device`, unless it is refused. Each renewal costs a database request.
    pub(crate) fn renew(&self, device: &DeviceId) -> Result<(), Problem> {
        let (name, now) = (self.hasher.hash_one(device), self.now());
        let mut state = self.state();
        let taken = take(window_of(&mut state.renewals, name, now), now, MINUTE, RENEWALS);
        taken.map(drop).map_err(|wait| Problem::rate_limited("This device has renewed its token too often", wait))
    }

    pub(crate) fn figures(&self) -> EnrolmentFigures {
        EnrolmentFigures {
            refused_networks: self.refused_networks.load(Ordering::Relaxed),
            refused_proofs: self.refused_proofs.load(Ordering::Relaxed),
            refused_devices: self.refused_devices.load(Ordering::Relaxed),
            networks: self.state().networks.len(),
        }
    }

    /// Monotonic time in nanoseconds.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn state(&self) -> MutexGuard<'_, EnrolmentWindows> {
        lock(&self.state)
    }
}

impl EnrolmentWindows {
    fn windows(&mut self, evidence: Evidence) -> &mut HashMap<IpNet, SlidingWindow> {
        match evidence {
            Evidence::Id => &mut self.networks,
            Evidence::Proof => &mut self.proving,
        }
    }

    fn remember(&mut self, name: u64) {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(name);
    }
}

/// The window of this network or device. A full map drops windows in which nothing counts any more, and all windows if
/// that frees too little: a client with thousands of networks is stopped by the limit of new devices, not here.
fn window_of<K: Eq + Hash>(windows: &mut HashMap<K, SlidingWindow>, key: K, now: u64) -> &mut SlidingWindow {
    if windows.len() >= MOST_WINDOWS && !windows.contains_key(&key) {
        windows.retain(|_, window| !window.is_over(now));
        if windows.len() > MOST_WINDOWS / 2 {
            windows.clear();
        }
    }
    windows.entry(key).or_default()
}

/// Counts one event if the window of length `long` has room, else returns how long to wait.
fn take(window: &mut SlidingWindow, now: u64, long: Duration, limit: u32) -> Result<Slot, Duration> {
    window.advance(now, long);
    match window.wait(now, u64::from(limit)) {
        Some(wait) => Err(wait),
        None => Ok(window.add(1)),
    }
}

/// The network of one subscriber: an IPv4 address, or an IPv6 /48.
fn network(source: IpAddr) -> IpNet {
    match source {
        IpAddr::V4(_) => IpNet::from(source),
        IpAddr::V6(_) => IpNet::new(source, 48).map_or_else(|_| IpNet::from(source), |network| network.trunc()),
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// Renewals of one device per minute. An addon renews twice an hour.
const RENEWALS: u32 = 60;

const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// Most windows of networks, of networks with proofs, and of devices: about 3 MB each.
const MOST_WINDOWS: usize = 8192;

/// Most devices known at once: about 4 MB.
const MOST_KNOWN: usize = 1 << 18;

#[cfg(test)]
mod tests;

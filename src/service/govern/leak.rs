//! Notices a device that is used in two places at once, because its token or its id was copied.
//!
//! Each request is a sighting of its device, and a [`Track`](track::Track) judges what a single device cannot do.
//! Sightings go to the other instances through Redis, and theirs come here, beside the requests. A suspicion is one
//! line of the log and changes nothing for the request that raised it; the [`Responder`] acts on it, on the control
//! thread.

mod devices;
mod history;
mod metrics;
mod network;
mod program;
mod track;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use http::HeaderMap;
use ipnet::IpNet;
use tokio::sync::mpsc;

use self::devices::WatchedDevices;
use self::network::Network;
use self::program::Program;
pub(crate) use self::track::Sighting;
use crate::clock::{Clock, millis};
use crate::service::govern::limits::Gossip;
use crate::service::token::verify::Caller;
use crate::wire::DeviceId;

/// Detection of devices in use in two places at once.
#[derive(Debug, Clone)]
pub struct LeakConfig {
    /// `LEAK_DETECTION`.
    pub mode: LeakMode,
    /// `LEAK_KNOWN_NETWORKS`: requests from these networks are ignored.
    pub known_networks: Vec<IpNet>,
}

/// The consequence when a device is in use in two places at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeakMode {
    Off,
    /// The device is logged and counted, and nothing else follows.
    Observe,
    /// The device's tokens are ended, and the device asks for a new one.
    Refresh,
    /// Like `Refresh`; a device that is detected again is revoked.
    Revoke,
}

impl LeakMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Refresh => "refresh",
            Self::Revoke => "revoke",
        }
    }
}

pub(crate) struct Leaks {
    mode: LeakMode,
    known: Vec<IpNet>,
    devices: WatchedDevices,
    clock: Arc<dyn Clock>,
    suspicions: mpsc::Sender<Suspicion>,
    gossip: Option<Gossip>,
    tally: LeakCounters,
}

/// A device that is used in two places at once.
#[derive(Debug, Clone)]
pub(crate) struct Suspicion {
    pub device: DeviceId,
    pub networks: [String; 2],
    /// Unix second.
    pub at: u64,
}

/// What was done about a suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeakResponse {
    /// The tokens of the device were ended.
    Refreshed,
    /// The device was revoked.
    Revoked,
    /// Nothing: so many devices are suspected that the configuration is the likelier cause.
    Withheld,
    /// Nothing: the database did not take it.
    Failed,
}

/// Counts what became of suspicions, and what other instances have told.
#[derive(Default)]
struct LeakCounters {
    /// Suspicions that were only logged.
    observed: AtomicU64,
    /// Suspicions that ended the tokens of a device.
    refreshed: AtomicU64,
    /// Suspicions that ended in a revocation.
    revoked: AtomicU64,
    /// Suspicions that were not acted on, because there were too many.
    withheld: AtomicU64,
    /// Suspicions that could not be acted on.
    failed: AtomicU64,
    /// Sightings that other instances have reported.
    heard: AtomicU64,
}

impl Leaks {
    /// Begins to watch, and to hear what other instances see. Suspicions arrive at the receiver if they are to have
    /// consequences.
    pub(crate) fn start(
        config: &LeakConfig,
        clock: Arc<dyn Clock>,
        gossip: Option<Gossip>,
    ) -> (Arc<Self>, mpsc::Receiver<Suspicion>) {
        let (suspicions, received) = mpsc::channel(MOST_WAITING);
        let leaks = Arc::new(Self {
            mode: config.mode,
            known: config.known_networks.clone(),
            devices: WatchedDevices::new(),
            clock,
            suspicions,
            gossip,
            tally: LeakCounters::default(),
        });
        if let Some(gossip) = &leaks.gossip {
            let ear = Arc::downgrade(&leaks);
            gossip.listen(move |device, note| {
                if let Some(leaks) = ear.upgrade() {
                    leaks.hear(device, note);
                }
            });
        }
        (leaks, received)
    }

    /// The sighting that a request is; `None` when leaks are not watched or the address is in a known network.
    pub(crate) fn look(&self, caller: &Caller, address: IpAddr, headers: &HeaderMap) -> Option<Sighting> {
        if self.mode == LeakMode::Off || self.known.iter().any(|network| network.contains(&address)) {
            return None;
        }
        let program = Program::of(headers, caller.claims().app_version.as_deref());
        Some(Sighting { at: self.now(), network: Network::of(address), program })
    }

    /// Records a sighting of a device. Never waits.
    pub(crate) fn sight(&self, device: &DeviceId, seen: &Sighting) {
        let (suspected, is_news) = self.devices.with(device, |watched| (watched.see(seen), watched.is_news(seen)));
        if let Some(gossip) = self.gossip.as_ref().filter(|_| is_news) {
            gossip.tell(device, seen.to_note());
        }
        if let Some(networks) = suspected {
            self.suspect(device, networks, seen.at);
        }
    }

    pub(crate) fn mode(&self) -> LeakMode {
        self.mode
    }

    /// How many devices are watched.
    pub(crate) fn watched(&self) -> usize {
        self.devices.len()
    }

    pub(crate) fn count(&self, response: LeakResponse) {
        let counter = match response {
            LeakResponse::Refreshed => &self.tally.refreshed,
            LeakResponse::Revoked => &self.tally.revoked,
            LeakResponse::Withheld => &self.tally.withheld,
            LeakResponse::Failed => &self.tally.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Records a sighting by another instance.
    fn hear(&self, device: &DeviceId, note: &str) {
        let Some(seen) = Sighting::from_note(note) else { return };
        self.tally.heard.fetch_add(1, Ordering::Relaxed);
        // The other instance's clock may be ahead.
        let now = self.now();
        let seen = Sighting { at: seen.at.min(now), ..seen };
        if let Some(networks) = self.devices.with(device, |watched| watched.hear(&seen)) {
            self.suspect(device, networks, now);
        }
    }

    fn suspect(&self, device: &DeviceId, networks: [Network; 2], at: u64) {
        let networks = networks.map(|network| network.to_string());
        tracing::warn!(%device, networks = networks.join(","), "A device is in use in two places at once");
        if self.mode == LeakMode::Observe {
            self.tally.observed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let suspicion = Suspicion { device: device.clone(), networks, at: at / 1000 };
        if self.suspicions.try_send(suspicion).is_err() {
            self.tally.failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%device, "Too many devices are suspected at once to act on this one");
        }
    }

    fn now(&self) -> u64 {
        millis(self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// The most suspicions that wait for the control thread.
const MOST_WAITING: usize = 256;

#[cfg(test)]
mod tests;

//! Notices a device that is used in two places at once, because its token or its id was copied.
//!
//! Each request is a sighting of its device, and a [`Track`](track::Track) judges what a single device cannot do.
//! Devices are judged and not tokens, because a token that is refreshed is another one. Sightings go to the other
//! instances through Redis, and theirs come here, beside the requests. A suspicion is one line of the log and changes
//! nothing for the request that raised it; the responder of `admin` acts on it, on the control thread.

mod devices;
mod history;
mod network;
mod program;
mod track;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use http::HeaderMap;
use ipnet::IpNet;
use strum::IntoStaticStr;
use tokio::sync::mpsc;

use self::devices::WatchedDevices;
use self::network::Network;
use self::program::Program;
pub(crate) use self::track::Sighting;
use crate::clock::{Clock, millis};
use crate::service::base::enum_names::enum_names;
use crate::service::govern::limits::Gossip;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};
use crate::service::token::verify::Caller;
use crate::wire::DeviceId;

/// Detection of devices in use in two places at once.
#[derive(Debug, Clone)]
pub struct LeakConfig {
    pub mode: LeakMode,
    /// Requests from these networks are ignored.
    pub known_networks: Vec<IpNet>,
}

/// The consequence when a device is in use in two places at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
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
        self.into()
    }
}

pub(crate) struct Leaks {
    mode: LeakMode,
    known: Vec<IpNet>,
    devices: WatchedDevices,
    clock: Arc<dyn Clock>,
    suspicions: mpsc::Sender<Suspicion>,
    gossip: Option<Gossip>,
    /// Suspicions by what became of them, in the order of [`LeakResponse`].
    responses: [AtomicU64; LeakResponse::ALL.len()],
    /// Sightings that other instances have reported.
    heard: AtomicU64,
}

/// A device that is used in two places at once.
#[derive(Debug, Clone)]
pub(crate) struct Suspicion {
    pub device: DeviceId,
    pub networks: [String; 2],
    /// The time of the request that raised it, in Unix seconds.
    pub at: u64,
}

/// What was done about a suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeakResponse {
    /// The device was logged, and nothing else was to follow.
    Observed,
    /// The tokens of the device were ended.
    Refreshed,
    /// The device was revoked.
    Revoked,
    /// Nothing: so many devices are suspected that the configuration is the likelier cause.
    Withheld,
    /// Nothing: the database did not take it, or too many devices were suspected at once.
    Failed,
}

enum_names!(LeakResponse {
    Observed = "observed",
    Refreshed = "refreshed",
    Revoked = "revoked",
    Withheld = "withheld",
    Failed = "failed",
});

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
            responses: Default::default(),
            heard: AtomicU64::new(0),
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
        self.responses[response as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Records a sighting by another instance.
    fn hear(&self, device: &DeviceId, note: &str) {
        let Some(seen) = Sighting::from_note(note) else { return };
        self.heard.fetch_add(1, Ordering::Relaxed);
        // The other instance's clock may be ahead.
        let now = self.now();
        let seen = Sighting { at: seen.at.min(now), ..seen };
        if let Some(networks) = self.devices.with(device, |watched| watched.history.hear(&seen)) {
            self.suspect(device, networks, now);
        }
    }

    fn suspect(&self, device: &DeviceId, networks: [Network; 2], at: u64) {
        let networks = networks.map(|network| network.to_string());
        tracing::warn!(%device, networks = networks.join(","), "A device is in use in two places at once");
        if self.mode == LeakMode::Observe {
            return self.count(LeakResponse::Observed);
        }
        let suspicion = Suspicion { device: device.clone(), networks, at: at / 1000 };
        if self.suspicions.try_send(suspicion).is_err() {
            self.count(LeakResponse::Failed);
            tracing::error!(%device, "Too many devices are suspected at once to act on this one");
        }
    }

    fn now(&self) -> u64 {
        millis(self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl MetricSource for Leaks {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let counts = LeakResponse::ALL.map(|of| (of.as_str(), self.responses[of as usize].load(Ordering::Relaxed)));
        let help = "Suspicions that a device is in use in two places at once, by what became of them";
        page.counters("leak_suspicions", help, "action", counts)?;
        let help = "Sightings of devices that other instances have told of";
        page.counter("leak_sightings_heard", help, self.heard.load(Ordering::Relaxed))?;
        page.gauge("leak_watched_devices", "Devices that are watched for leaks", self.watched())
    }
}

/// The most suspicions that wait for the control thread.
const MOST_WAITING: usize = 256;

#[cfg(test)]
mod tests;

//! The sightings of one device that are remembered, and when they are enough to suspect it.

use std::time::Duration;

use super::network::Network;
use super::track::{ENOUGH, Sighting, Track};
use crate::clock::millis;

/// One device, whichever token it uses: with its first `/refresh` a thief has a token of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    /// v4 and v6. Each is judged by itself, because a device with both changes between them all the time.
    tracks: [Track; 2],
    /// When the first request was made here; zero is never.
    began: u64,
    /// Until then sightings are ignored: the device was suspected a moment ago, and a suspicion is reported once.
    quiet_until: u64,
}

impl History {
    /// Records a sighting. Returns the two networks if the device is suspected from now on; the history then begins
    /// anew.
    ///
    /// Everything that decides is in here and in `seen`, so the same sightings always have the same result.
    pub(super) fn see(&mut self, seen: &Sighting) -> Option<[Network; 2]> {
        if seen.at < self.quiet_until {
            return None;
        }
        if self.began == 0 {
            self.began = seen.at;
        }
        let between = self.tracks[usize::from(seen.network.is_v6())].see(seen)?;
        let evidence: f32 = self.tracks.iter().map(|track| track.evidence(seen.at)).sum();
        if evidence < ENOUGH {
            return None;
        }
        *self = Self { quiet_until: seen.at.saturating_add(millis(QUIET)), ..Self::default() };
        Some(between)
    }

    /// Records a sighting by another instance. A sighting from before the first request here would come out of order
    /// and is ignored.
    pub(super) fn hear(&mut self, seen: &Sighting) -> Option<[Network; 2]> {
        if self.began == 0 || seen.at < self.began {
            return None;
        }
        self.see(seen)
    }
}

/// After a suspicion. A client that must refresh twice within a minute shows its user an error.
const QUIET: Duration = Duration::from_secs(600);

//! What is remembered of one device, and when it is enough to suspect it.

use std::time::Duration;

use super::network::Network;
use super::track::{ENOUGH, Sighting, Track};

/// One device, whichever token it uses: a thief's first `/refresh` gives him a token of his own.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    /// v4 and v6. Each is judged by itself, because a device that has both changes between them all the time.
    tracks: [Track; 2],
    /// When the first request was made here; zero is never.
    began: u64,
    /// Until then nothing is taken down: it was suspected a moment ago, and somebody is told of that once.
    quiet_until: u64,
}

impl History {
    /// Takes a sighting down. The two networks if it is suspected from now on; then it begins anew.
    ///
    /// All that decides is in here and in `seen`, so the same sightings always come to the same end.
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

    /// Takes down what another instance has seen. From before the first request here it would come out of order.
    pub(super) fn hear(&mut self, seen: &Sighting) -> Option<[Network; 2]> {
        if self.began == 0 || seen.at < self.began {
            return None;
        }
        self.see(seen)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// After a suspicion. A client that is made to refresh twice within a minute shows its user an error.
const QUIET: Duration = Duration::from_secs(600);

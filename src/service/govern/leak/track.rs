//! Where a device was seen lately by one version of IP, and how much of that a single device cannot do.
//!
//! Only where requests *begin* counts. An open request proves nothing: the stream of a device that has moved on looks
//! open until it ends. A device that moves is in one place and then in another; two users of one token are in both. So
//! a *return* is evidence: here, there, and here again. It weighs more the sooner it comes and the fewer requests there
//! were in between: a VPN that is switched on and off is one return after minutes, and a network that comes and goes
//! makes several returns with many requests in between. Just after an arrival, requests still use connections of the
//! previous place, so what happens then counts little. Evidence fades, and only several returns in a row are enough.
//!
//! A track has a fixed size and no clock of its own, so made-up days of roaming and made-up leaks measure it
//! (`leak/tests`).

use std::time::Duration;

use super::network::Network;
use super::program::Program;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// The time in Unix milliseconds.
    pub(super) at: u64,
    pub(super) network: Network,
    pub(super) program: Program,
}

/// The places of a device, in fixed space.
#[derive(Debug, Clone, Default)]
pub(super) struct Track {
    places: [Option<SeenNetwork>; PLACES],
    stay: Option<Stay>,
    /// When the device last came to a place that was new or that it had been away from.
    arrived: u64,
    /// The evidence from the time just after that arrival.
    early: f32,
    evidence: f32,
    /// When `evidence` had this value.
    weighed: u64,
}

#[derive(Debug, Clone, Copy)]
struct SeenNetwork {
    network: Network,
    last: u64,
    /// The programs seen last; zero is none.
    programs: [u64; PROGRAMS],
    next_program: usize,
}

/// Requests in one place, with no request in another place between them.
#[derive(Debug, Clone, Copy)]
struct Stay {
    place: usize,
    began: u64,
    requests: u32,
}

impl Sighting {
    /// The sighting as a note for other instances.
    pub(super) fn to_note(self) -> String {
        format!("{} {} {:x}", self.at, self.network, self.program.0)
    }

    pub(super) fn from_note(note: &str) -> Option<Self> {
        let mut words = note.split(' ');
        let at = words.next()?.parse().ok()?;
        let network = Network::parse(words.next()?)?;
        let program = Program(u64::from_str_radix(words.next()?, 16).ok()?);
        words.next().is_none().then_some(Self { at, network, program })
    }
}

impl Track {
    /// Records a sighting. Returns the two networks if it is evidence of a use in both.
    pub(super) fn see(&mut self, seen: &Sighting) -> Option<[Network; 2]> {
        let known = self.position(seen.network);
        if let (Some(stay), Some(place)) = (&mut self.stay, known)
            && stay.place == place
        {
            stay.requests = stay.requests.saturating_add(1);
            self.place(place)?.note(seen);
            return None;
        }
        let away = known.and_then(|place| Some(elapsed(self.places[place]?.last, seen.at)));
        let index = known.unwrap_or_else(|| self.make_room(seen));
        self.place(index)?.note(seen);
        let left = self.stay.replace(Stay { place: index, began: seen.at, requests: 1 })?;
        if away.is_none_or(|away| away > LONG_AWAY || (away > AWAY && left.requests >= STAY)) {
            (self.arrived, self.early) = (seen.at, 0.0);
        }
        let (back, other) = (self.places[index]?, self.places[left.place]?);
        let distance = back.network.distance(other.network);
        let weight = distance * away.map_or(0.0, |away| weight(&back, &other, left.requests, away));
        // Moves among neighbours are never enough by themselves, however often they happen.
        let most = 2.0 * ENOUGH * distance;
        self.add(weight, most, (left.began, seen.at)).then_some([back.network, other.network])
    }

    /// The evidence that is left at `now`.
    pub(super) fn evidence(&self, now: u64) -> f32 {
        self.evidence * (-elapsed(self.weighed, now).as_secs_f32() / HALF_LIFE.as_secs_f32()).exp2()
    }

    /// Adds the evidence of a return, up to `most`, from a visit that began at `began`. Returns whether the evidence
    /// grew.
    fn add(&mut self, mut weight: f32, most: f32, (began, now): (u64, u64)) -> bool {
        if elapsed(self.arrived, began) < SETTLING {
            let early = self.early.max(weight.min(MOST_EARLY));
            weight = early - self.early;
            self.early = early;
        }
        let faded = self.evidence(now);
        let evidence = (faded + weight).min(most);
        if evidence <= faded {
            return false;
        }
        (self.evidence, self.weighed) = (evidence, now);
        true
    }

    fn position(&self, network: Network) -> Option<usize> {
        self.places.iter().position(|place| place.is_some_and(|place| place.network.distance(network) <= 0.0))
    }

    fn place(&mut self, index: usize) -> Option<&mut SeenNetwork> {
        self.places[index].as_mut()
    }

    /// Makes a place for a new network: a free one, or the one that was not seen for longest.
    fn make_room(&mut self, seen: &Sighting) -> usize {
        let last_seen = self.places.iter().map(|place| place.map(|place| place.last));
        let index = last_seen.enumerate().min_by_key(|&(_, last)| last).map_or(0, |(index, _)| index);
        let place = SeenNetwork { network: seen.network, last: seen.at, programs: [0; PROGRAMS], next_program: 0 };
        self.places[index] = Some(place);
        index
    }
}

impl SeenNetwork {
    fn note(&mut self, seen: &Sighting) {
        self.last = self.last.max(seen.at);
        if !self.programs.contains(&seen.program.0) {
            self.programs[self.next_program] = seen.program.0;
            self.next_program = (self.next_program + 1) % PROGRAMS;
        }
    }

    fn shares_a_program_with(&self, other: &Self) -> bool {
        self.programs.iter().any(|program| *program != 0 && other.programs.contains(program))
    }
}

/// The weight of a return from far that came `away` after the last request there, with `requests` made elsewhere since.
fn weight(back: &SeenNetwork, left: &SeenNetwork, requests: u32, away: Duration) -> f32 {
    if away > MEMORY {
        return 0.0;
    }
    let soon = (AT_ONCE.as_secs_f32() / away.as_secs_f32()).min(1.0);
    let few = match requests {
        0 | 1 => 1.0,
        2 => 0.8,
        3 => 0.5,
        4 => 0.3,
        _ => 0.15,
    };
    let programs = if back.shares_a_program_with(left) { 1.0 } else { OTHER_PROGRAMS };
    soon * few * programs
}

/// Zero when a clock was set back, or when another instance's clock is ahead.
fn elapsed(from: u64, to: u64) -> Duration {
    Duration::from_millis(to.saturating_sub(from))
}

/// The evidence that a suspicion takes: two clear returns are more, one is less.
pub(super) const ENOUGH: f32 = 1.5;

/// Half of the evidence fades in this time.
const HALF_LIFE: Duration = Duration::from_secs(240);

/// A device that was away from a place for so long, and made so many requests elsewhere meanwhile, arrives there anew.
const AWAY: Duration = Duration::from_secs(25);
const STAY: u32 = 3;

/// A device that was away for so long arrives anew in any case.
const LONG_AWAY: Duration = Duration::from_secs(60);

/// For so long after an arrival, connections of the previous place may still be in use.
const SETTLING: Duration = Duration::from_secs(15);

/// All evidence from that time is worth at most this.
const MOST_EARLY: f32 = 0.4;

/// A return after a longer time is a journey.
const MEMORY: Duration = Duration::from_secs(180);

/// A return within this time has the full weight.
const AT_ONCE: Duration = Duration::from_secs(20);

/// The factor for a return between places that have no program in common.
const OTHER_PROGRAMS: f32 = 1.5;

const PLACES: usize = 6;
const PROGRAMS: usize = 4;

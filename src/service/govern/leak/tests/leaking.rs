//! Two users of one token, each in a place of its own.

use std::time::Duration;

use super::random::Random;
use crate::service::govern::leak::history::History;
use crate::service::govern::leak::network::Network;
use crate::service::govern::leak::program::Program;
use crate::service::govern::leak::track::Sighting;

/// How long each user waits from one request to the next, in seconds, from a shortest to a longest wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) owner: (f64, f64),
    pub(super) thief: (f64, f64),
}

impl Pace {
    /// How long after the thief's first request the owner, who has been at work for five minutes, and the thief are
    /// noticed. `None` is not within the hour. Every other thief uses the owner's own program.
    pub(super) fn noticed_after(self, seed: u64) -> Option<Duration> {
        let mut random = Random::seeded(seed);
        let owner = User { network: random.v4(), program: random.program(), pace: self.owner, next: 0.0 };
        let stolen = if random.chance(0.5) { owner.program } else { random.program() };
        let start = 300.0 + random.between(0.0, 60.0);
        let thief = User { network: random.v4(), program: stolen, pace: self.thief, next: start };
        let (mut users, mut history) = ([owner, thief], History::default());
        loop {
            let user = usize::from(users[1].next < users[0].next);
            let now = users[user].next;
            if now > start + 3600.0 {
                return None;
            }
            if users[user].request(&mut history, &mut random) {
                return Some(Duration::from_secs_f64(now - start));
            }
        }
    }
}

struct User {
    network: Network,
    program: Program,
    pace: (f64, f64),
    next: f64,
}

impl User {
    fn request(&mut self, history: &mut History, random: &mut Random) -> bool {
        let at = u64::try_from(Duration::from_secs_f64(self.next).as_millis()).unwrap();
        self.next += random.between(self.pace.0, self.pace.1);
        history.see(&Sighting { at, network: self.network, program: self.program }).is_some()
    }
}

//! A day of an honest device that changes networks.
//!
//! The device works while it moves, because only then can a move be mistaken for something else: requests every second
//! to every 20 seconds around each move, few in between.

use std::time::Duration;

use super::random::Random;
use crate::service::govern::leak::history::History;
use crate::service::govern::leak::network::Network;
use crate::service::govern::leak::program::Program;
use crate::service::govern::leak::track::Sighting;

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// From Wi-Fi to mobile and back, three networks.
    Wifi,
    /// A network that comes and goes for a while.
    Flapping,
    /// VPN on and off, also just for a moment, with connections that break.
    Vpn,
    /// A provider that has another source for each connection.
    Cgnat,
    /// v6 with another address for each connection.
    Privacy,
    /// v4 and v6 at the same time.
    DualStack,
    /// All of these in one day.
    Mixed,
}

impl Kind {
    pub(super) const ALL: [Self; 7] =
        [Self::Wifi, Self::Flapping, Self::Vpn, Self::Cgnat, Self::Privacy, Self::DualStack, Self::Mixed];

    /// Whether this day of such a device, which `seed` makes, ends in a suspicion.
    pub(super) fn alarms(self, seed: u64) -> bool {
        let mut traveller = Traveller::new(seed);
        while !traveller.day_is_over() {
            self.live(&mut traveller);
        }
        traveller.is_suspected
    }

    /// A part of the day.
    fn live(self, it: &mut Traveller) {
        match self {
            Self::Wifi => it.commute(),
            Self::Flapping => it.flap(),
            Self::Vpn => it.tunnel(),
            Self::Cgnat => it.share_addresses(),
            Self::Privacy => it.hide_address(),
            Self::DualStack => it.use_both(),
            Self::Mixed => Self::ALL[it.random.below(6)].live(it),
        }
    }
}

/// How a device reaches the service.
#[derive(Clone, Copy)]
enum Access {
    One(Network),
    /// One of many neighbours, for a few requests.
    Pool(Network),
    /// Another address each time.
    Private(Network),
    Both(Network, Network),
}

struct Traveller {
    random: Random,
    history: History,
    is_suspected: bool,
    /// Seconds since the day began.
    now: f64,
    access: Access,
    home: Network,
    programs: Vec<Program>,
    /// The address that a pool gives at the moment, and for how many requests.
    lent: (Network, usize),
}

impl Traveller {
    fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed);
        let home = random.v4();
        let programs = (0..=random.below(3)).map(|_| random.program()).collect();
        let (access, lent) = (Access::One(home), (home, 0));
        Self { random, history: History::default(), is_suspected: false, now: 0.0, access, home, programs, lent }
    }

    fn day_is_over(&self) -> bool {
        self.now >= DAY || self.is_suspected
    }

    fn commute(&mut self) {
        let (office, mobile) = (self.random.v4(), self.random.v4());
        for network in [self.home, mobile, office, mobile] {
            let stay = self.random.spread(300.0, 14_400.0);
            self.hand_over(Access::One(network), stay);
        }
    }

    fn flap(&mut self) {
        let mobile = self.random.v4();
        let stay = self.random.spread(10_800.0, 43_200.0);
        self.hand_over(Access::One(self.home), stay);
        for change in 0..=self.random.below(8) + 2 {
            let stay = self.random.spread(20.0, 120.0);
            let network = if change % 2 == 0 { mobile } else { self.home };
            self.switch(Access::One(network), stay);
        }
    }

    fn tunnel(&mut self) {
        let (exit, home) = (self.random.v4(), Access::One(self.home));
        let is_short = self.random.chance(0.1);
        let stay = if is_short { self.random.spread(20.0, 120.0) } else { self.random.spread(600.0, 14_400.0) };
        self.hand_over(Access::One(exit), stay);
        while self.random.chance(0.3) {
            let broken = self.random.spread(5.0, 40.0);
            self.switch(home, broken);
            let stay = self.random.spread(60.0, 7200.0);
            self.switch(Access::One(exit), stay);
        }
        let stay = self.random.spread(60.0, 14_400.0);
        self.switch(home, stay);
    }

    fn share_addresses(&mut self) {
        let pool = self.random.v4();
        for access in [Access::Pool(pool), Access::One(self.home)] {
            let stay = self.random.spread(1800.0, 14_400.0);
            self.hand_over(access, stay);
        }
    }

    fn hide_address(&mut self) {
        let (home, office) = (self.random.v6(), self.random.v6());
        for network in [home, office, home] {
            let stay = self.random.spread(600.0, 14_400.0);
            self.hand_over(Access::Private(network), stay);
        }
    }

    fn use_both(&mut self) {
        for _ in 0..2 {
            let access = Access::Both(self.random.v4(), self.random.v6());
            let stay = self.random.spread(600.0, 14_400.0);
            self.hand_over(access, stay);
        }
    }

    /// Moves while the place before still works: for up to 15 s some requests go out over its connections.
    fn hand_over(&mut self, to: Access, stay: f64) {
        let overlap = if self.random.chance(0.5) { self.random.between(0.0, 15.0) } else { 0.0 };
        self.move_to(to, stay, overlap);
    }

    /// Moves because the place before has ended.
    fn switch(&mut self, to: Access, stay: f64) {
        self.move_to(to, stay, 0.0);
    }

    fn move_to(&mut self, to: Access, stay: f64, overlap: f64) {
        let (began, ends) = (self.now, self.now + stay);
        let before = std::mem::replace(&mut self.access, to);
        // A network takes a while to come up.
        self.now += self.random.spread(1.0, 6.0);
        while self.now < ends && !self.day_is_over() {
            let is_old = self.now - began < overlap && self.random.chance(0.5);
            self.request(if is_old { before } else { to });
            let pause = self.random.spread(1.0, 20.0);
            let (since, left) = (self.now - began, ends - self.now);
            let is_quiet = since > NEAR && left > NEAR;
            self.now += if is_quiet { (left - NEAR).min(self.random.between(200.0, 1500.0)) } else { pause };
        }
        self.now = self.now.max(ends);
    }

    fn request(&mut self, access: Access) {
        let network = match access {
            Access::One(network) => network,
            Access::Pool(around) => self.borrow(around),
            Access::Private(network) => self.random.within(network),
            Access::Both(v4, v6) => {
                if self.random.chance(0.4) {
                    v4
                } else {
                    v6
                }
            }
        };
        let program = self.program();
        let at = u64::try_from(Duration::from_secs_f64(self.now).as_millis()).unwrap();
        self.is_suspected |= self.history.see(&Sighting { at, network, program }).is_some();
    }

    fn borrow(&mut self, around: Network) -> Network {
        if self.lent.1 == 0 || self.lent.0.distance(around) > 0.0 {
            self.lent = (self.random.neighbour(around), 1 + self.random.below(4));
        }
        self.lent.1 -= 1;
        self.lent.0
    }

    /// Mostly the first program; now and then a new one is started.
    fn program(&mut self) -> Program {
        let which = if self.random.chance(0.5) { self.random.below(self.programs.len()) } else { 0 };
        if self.random.chance(0.01) {
            self.programs[which] = self.random.program();
        }
        self.programs[which]
    }
}

const DAY: f64 = 24.0 * 3600.0;

/// The time before and after a move in which the device works.
const NEAR: f64 = 75.0;

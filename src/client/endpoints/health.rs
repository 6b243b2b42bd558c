//! How one endpoint does beside the others, and when it is used again after it failed.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::jitter::random_fraction;

/// An endpoint is passed over from the moment that another one answered in its place. It is used again after it has answered
/// each check for a while, longer after each relapse, so that requests do not go to and fro.
#[derive(Default)]
pub(super) struct Health {
    passed_over: Option<PassedOver>,
    /// Counts how often it was passed over.
    spell: u32,
    /// How long it must have answered each check before it is used again.
    dwell: Duration,
    /// When it was last used again.
    returned: Option<Instant>,
    /// When it was last doubted.
    doubted: Option<Instant>,
    /// How long its last good check took.
    round_trip: Duration,
}

#[derive(Default)]
struct PassedOver {
    healthy_since: Option<Instant>,
    failures: u32,
}

impl Health {
    pub(super) fn is_good(&self) -> bool {
        self.passed_over.is_none()
    }

    /// Passes the endpoint over. The number of the spell if it was good until now.
    pub(super) fn pass_over(&mut self, now: Instant) -> Option<u32> {
        if let Some(passed_over) = &mut self.passed_over {
            passed_over.fail();
            return None;
        }
        let is_relapse = self.returned.is_some_and(|at| now.duration_since(at) < RELAPSE);
        let dwell = if is_relapse { self.dwell.saturating_mul(2).min(LONGEST_DWELL) } else { DWELL };
        // A fleet must not return in step.
        self.dwell = dwell + (dwell / 4).mul_f64(random_fraction());
        self.passed_over = Some(PassedOver { healthy_since: None, failures: 1 });
        self.spell += 1;
        Some(self.spell)
    }

    /// Uses the endpoint again, whatever its checks say.
    pub(super) fn use_again(&mut self, now: Instant) {
        self.passed_over = None;
        self.returned = Some(now);
    }

    /// Forgets the failures, because they were those of another network.
    pub(super) fn forget(&mut self) {
        *self = Self { spell: self.spell, ..Self::default() };
    }

    /// Records a check in the spell. True if the endpoint is used again from now on.
    pub(super) fn checked(&mut self, spell: u32, is_healthy: bool, now: Instant) -> bool {
        let Some(passed_over) = self.passed_over.as_mut().filter(|_| self.spell == spell) else { return false };
        if !is_healthy {
            passed_over.fail();
            return false;
        }
        let since = *passed_over.healthy_since.get_or_insert(now);
        if now.duration_since(since) < self.dwell {
            return false;
        }
        self.use_again(now);
        true
    }

    /// How long until the next check; `None` once the spell is over.
    pub(super) fn until_check(&self, spell: u32) -> Option<Duration> {
        let passed_over = self.passed_over.as_ref().filter(|_| self.spell == spell)?;
        if passed_over.healthy_since.is_some() {
            return Some(CHECK_PAUSE);
        }
        let full = FIRST_PAUSE.saturating_mul(1 << passed_over.failures.saturating_sub(1).min(8)).min(LONGEST_PAUSE);
        Some(full / 2 + (full / 2).mul_f64(random_fraction()))
    }

    /// Whether a doubt is to be followed up now. The doubts of a pause count as one.
    pub(super) fn takes_doubt(&mut self, now: Instant) -> bool {
        let is_recent = self.doubted.is_some_and(|at| now.duration_since(at) < DOUBT_PAUSE);
        if !is_recent {
            self.doubted = Some(now);
        }
        !is_recent
    }

    pub(super) fn answered_after(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// How long a check of it is waited for before the next endpoint is asked too.
    pub(super) fn head_start(&self) -> Duration {
        self.round_trip.saturating_mul(3).clamp(LEAST_HEAD_START, LONGEST_HEAD_START)
    }
}

impl PassedOver {
    fn fail(&mut self) {
        self.healthy_since = None;
        self.failures = self.failures.saturating_add(1);
    }
}

/// With [`CHECK_PAUSE`] four good checks at least.
const DWELL: Duration = Duration::from_secs(60);
const LONGEST_DWELL: Duration = Duration::from_secs(15 * 60);

/// An endpoint that fails again so soon after its return was not well.
const RELAPSE: Duration = Duration::from_secs(10 * 60);

const CHECK_PAUSE: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The shortest time between two checks that doubts cause. Claude may think for long, and each waiting request doubts.
const DOUBT_PAUSE: Duration = Duration::from_secs(2);

const LEAST_HEAD_START: Duration = Duration::from_millis(500);
const LONGEST_HEAD_START: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// Lets checks succeed until the endpoint is used again, and returns how long that took.
    async fn recovery(health: &mut Health, spell: u32) -> Duration {
        let began = Instant::now();
        while !health.checked(spell, true, Instant::now()) {
            advance(health.until_check(spell).unwrap()).await;
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn f95_an_endpoint_is_used_again_after_a_minute_of_good_checks_and_later_after_a_relapse() {
        let mut health = Health::default();
        let spell = health.pass_over(Instant::now()).unwrap();
        assert!(!health.is_good() && health.pass_over(Instant::now()).is_none());
        let first = recovery(&mut health, spell).await;
        assert!(health.is_good() && first >= DWELL && first <= DWELL * 2, "{first:?}");
        let spell = health.pass_over(Instant::now()).unwrap();
        let second = recovery(&mut health, spell).await;
        assert!(second >= DWELL * 2 && second <= DWELL * 4, "{second:?}");
        advance(RELAPSE).await;
        let spell = health.pass_over(Instant::now()).unwrap();
        assert!(recovery(&mut health, spell).await <= DWELL * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn f95_one_failed_check_begins_the_minute_anew() {
        let mut health = Health::default();
        let spell = health.pass_over(Instant::now()).unwrap();
        assert!(!health.checked(spell, true, Instant::now()));
        advance(DWELL * 2).await;
        assert!(!health.checked(spell, false, Instant::now()));
        assert!(!health.checked(spell, true, Instant::now()), "it has been healthy since this check only");
        assert!(!health.checked(spell + 1, true, Instant::now()) && health.until_check(spell + 1).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn f94_doubts_cause_one_check_in_two_seconds() {
        let mut health = Health::default();
        let mut checks = 0;
        for _ in 0..40 {
            checks += u32::from(health.takes_doubt(Instant::now()));
            advance(Duration::from_millis(250)).await;
        }
        assert_eq!(checks, 5);
    }
}

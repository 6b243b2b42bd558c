//! At most one report per minute for each kind of event; the next report tells how often it happened.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// Recent reports. There is one entry per error code and per panicking place in the code.
#[derive(Default)]
pub(super) struct Throttle(Mutex<HashMap<Box<str>, ThrottleState>>);

#[derive(Default)]
struct ThrottleState {
    reported: Option<Instant>,
    withheld: u64,
}

impl Throttle {
    /// If a report on `what` is due, the number of times it has happened since its last report, this time included.
    pub(super) fn due(&self, what: &str, now: Instant) -> Option<u64> {
        let mut all = lock(&self.0);
        let recent = all.entry(what.into()).or_default();
        if recent.reported.is_some_and(|last| now.duration_since(last) < PAUSE) {
            recent.withheld += 1;
            return None;
        }
        recent.reported = Some(now);
        Some(std::mem::take(&mut recent.withheld) + 1)
    }
}

const PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_report_says_how_often_it_happened() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(throttle.due("internal", after(0)), Some(1));
        assert_eq!(throttle.due("internal", after(1)), None);
        assert_eq!(throttle.due("internal", after(59)), None);
        assert_eq!(throttle.due("not_ready", after(59)), Some(1), "each kind of event has its own minute");
        assert_eq!(throttle.due("internal", after(60)), Some(3));
        assert_eq!(throttle.due("internal", after(61)), None);
    }
}

//! What was spent today. Each record is read until it is some minutes old, and then no more.
//!
//! A record belongs to the moment at which its request ended, and is in the database a minute later, by the clocks of all
//! instances. Records that come later are counted by the database ([`UsageHistory::late_revision`]); then the day is
//! read from its beginning.
//!
//! [`UsageHistory::late_revision`]: crate::service::store::database::UsageHistory::late_revision

use std::time::SystemTime;

use super::read_time::{AGAIN, ON_RECORD, ReadTime};
use super::spending::Spending;
use crate::service::govern::budgets::{BudgetWindow, Subject};
use crate::service::meter::money::MicroDollars;

/// The costs of requests that have ended today before `until`.
pub(super) struct Today {
    day: BudgetWindow,
    /// When the day was read from its beginning.
    read: ReadTime,
    /// The number of late additions before that.
    late: i64,
    until: SystemTime,
    spent: Spending,
}

impl Today {
    /// The day of which nothing was read yet.
    pub(super) fn unread(day: BudgetWindow, late: i64, now: SystemTime) -> Self {
        Self { day, read: ReadTime(now), late, until: day.begin(), spent: Spending::default() }
    }

    /// Whether the day must be read from its beginning.
    pub(super) fn is_old(&self, day: BudgetWindow, late: i64, now: SystemTime) -> bool {
        let is_set_back = self.edge(now) < self.until;
        self.day != day || self.late != late || is_set_back || self.read.is_past(AGAIN, now)
    }

    /// Requests that ended before this time are known.
    pub(super) fn until(&self) -> SystemTime {
        self.until
    }

    /// Requests that ended before this time are all on record at `now`, but for late ones.
    pub(super) fn edge(&self, now: SystemTime) -> SystemTime {
        now.checked_sub(ON_RECORD).unwrap_or(SystemTime::UNIX_EPOCH).max(self.day.begin())
    }

    /// Adds the costs of requests that ended from [`until`](Self::until) to `edge`.
    pub(super) fn add(&mut self, spent: &Spending, edge: SystemTime) {
        self.spent.add_all(spent);
        self.until = edge;
    }

    pub(super) fn by(&self, subject: &Subject) -> MicroDollars {
        self.spent.by(subject)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::service::govern::budgets::Period;
    use crate::service::store::database::Costs;
    use crate::wire::DeviceId;

    /// 2026-11-25 12:00.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_608_000)
    }

    #[test]
    fn a_day_is_read_from_its_beginning_for_late_records_each_hour_and_when_the_clock_was_set_back() {
        let (day, second) = (Period::Day.window(noon()), Duration::from_secs(1));
        let mut today = Today::unread(day, 7, noon());
        assert_eq!((today.until(), today.edge(noon())), (day.begin(), noon() - ON_RECORD));
        today.add(&Spending::default(), today.edge(noon()));
        assert!(!today.is_old(day, 7, noon()) && !today.is_old(day, 7, noon() + AGAIN - second));
        assert!(today.is_old(day, 8, noon()), "a record came late");
        assert!(today.is_old(day, 7, noon() + AGAIN));
        assert!(today.is_old(day, 7, noon() - second), "the clock was set back");
        assert!(today.is_old(Period::Day.window(noon() + 24 * AGAIN), 7, noon()));
    }

    #[test]
    fn after_midnight_nothing_of_the_day_before_is_read() {
        let day = Period::Day.window(noon());
        let just_begun = day.begin() + ON_RECORD / 2;
        let mut today = Today::unread(day, 0, just_begun);
        assert_eq!(today.edge(just_begun), day.begin());
        today.add(&Spending::default(), today.edge(just_begun));
        assert!(!today.is_old(day, 0, just_begun + Duration::from_secs(10)));
    }

    #[test]
    fn what_is_added_is_kept() {
        let day = Period::Day.window(noon());
        let mut today = Today::unread(day, 0, noon());
        let device = DeviceId::parse("device-0001").unwrap();
        for edge in [noon() - ON_RECORD, noon()] {
            let costs = Costs { device: device.clone(), user: None, org: None, sum: MicroDollars::new(3) };
            today.add(&Spending::of(&[costs]), edge);
            assert_eq!(today.until(), edge);
        }
        assert_eq!(today.by(&Subject::Device(device)), MicroDollars::new(6));
    }
}

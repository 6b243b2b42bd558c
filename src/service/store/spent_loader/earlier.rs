//! What was spent on the days before today, as far as they belong to this week or this month.

use std::collections::HashMap;
use std::time::SystemTime;

use super::read_time::{AGAIN, ON_RECORD, ReadTime};
use super::spending::Spending;
use crate::service::govern::budgets::{BudgetWindow, Subject};
use crate::service::meter::money::MicroDollars;

/// The costs of the days before `today`.
pub(super) struct Earlier {
    today: BudgetWindow,
    read: ReadTime,
    /// The number of late additions before that.
    late: i64,
    sums: HashMap<Subject, PastSpending>,
}

/// The costs of one subject on days before today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PastSpending {
    pub(super) week: MicroDollars,
    pub(super) month: MicroDollars,
}

impl Earlier {
    pub(super) fn before(today: BudgetWindow, late: i64, now: SystemTime) -> Self {
        Self { today, read: ReadTime(now), late, sums: HashMap::new() }
    }

    /// Adds the costs of one day, which is in this week, in this month, or in both.
    pub(super) fn add_day(&mut self, spent: &Spending, this_week: bool, this_month: bool) {
        for (subject, sum) in spent.each() {
            self.sums.entry(subject.clone()).or_default().add(sum, this_week, this_month);
        }
    }

    pub(super) fn by(&self, subject: &Subject) -> PastSpending {
        self.sums.get(subject).copied().unwrap_or_default()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (&Subject, PastSpending)> {
        self.sums.iter().map(|(subject, sums)| (subject, *sums))
    }

    /// Whether the sums must be read again. Costs of requests that ended just before midnight are written after it.
    pub(super) fn is_old(&self, today: BudgetWindow, late: i64, now: SystemTime) -> bool {
        let settled = today.begin() + ON_RECORD;
        let is_settled_since = self.read.0 < settled && now >= settled;
        self.today != today || self.late != late || self.read.is_past(AGAIN, now) || is_settled_since
    }
}

impl PastSpending {
    fn add(&mut self, spent: MicroDollars, this_week: bool, this_month: bool) {
        if this_week {
            self.week = self.week + spent;
        }
        if this_month {
            self.month = self.month + spent;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::service::govern::budgets::Period;

    /// 2026-11-25 12:00, a Wednesday.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_608_000)
    }

    #[test]
    fn days_count_for_the_week_and_the_month_they_are_in() {
        let mut sums = PastSpending::default();
        for (this_week, this_month) in [(true, false), (false, true), (true, true)] {
            sums.add(MicroDollars::new(1), this_week, this_month);
        }
        assert_eq!(sums, PastSpending { week: MicroDollars::new(2), month: MicroDollars::new(2) });
    }

    #[test]
    fn earlier_days_are_read_again_each_day_each_hour_for_late_records_and_two_minutes_after_midnight() {
        let today = Period::Day.window(noon());
        let second = Duration::from_secs(1);
        let midday = Earlier::before(today, 7, noon());
        assert!(!midday.is_old(today, 7, noon()) && !midday.is_old(today, 7, noon() + AGAIN - second));
        assert!(midday.is_old(today, 8, noon()), "a record came late");
        assert!(midday.is_old(today, 7, noon() + AGAIN));
        assert!(midday.is_old(today, 7, noon() - second), "the clock was set back");
        assert!(midday.is_old(Period::Day.window(noon() + 24 * AGAIN), 7, noon()));
        let midnight = Earlier::before(today, 7, today.begin() + second);
        let settled = today.begin() + Duration::from_secs(120);
        assert!(!midnight.is_old(today, 7, settled - second) && midnight.is_old(today, 7, settled));
    }
}

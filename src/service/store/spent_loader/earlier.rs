//! What was spent on the days before today, as far as they belong to this week or this month.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::read_time::{AGAIN, ReadTime};
use super::spending::Spending;
use crate::service::govern::budgets::{BudgetWindow, Subject};
use crate::service::meter::money::MicroDollars;

/// The costs of the days before `today`.
pub(super) struct Earlier {
    today: BudgetWindow,
    read: ReadTime,
    sums: HashMap<Subject, PastSpending>,
}

/// The costs of one subject on days before today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PastSpending {
    pub(super) week: MicroDollars,
    pub(super) month: MicroDollars,
}

impl Earlier {
    pub(super) fn before(today: BudgetWindow, now: SystemTime) -> Self {
        Self { today, read: ReadTime(now), sums: HashMap::new() }
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
    pub(super) fn is_old(&self, today: BudgetWindow, now: SystemTime) -> bool {
        let settled = today.begin() + SETTLE;
        self.today != today || self.read.is_past(AGAIN, now) || (self.read.0 < settled && now >= settled)
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

const SETTLE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
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
    fn earlier_days_are_read_again_each_day_each_hour_and_a_minute_after_midnight() {
        let today = Period::Day.window(noon());
        let second = Duration::from_secs(1);
        let midday = Earlier::before(today, noon());
        assert!(!midday.is_old(today, noon()) && !midday.is_old(today, noon() + AGAIN - second));
        assert!(midday.is_old(today, noon() + AGAIN));
        assert!(midday.is_old(today, noon() - second), "the clock was set back");
        assert!(midday.is_old(Period::Day.window(noon() + 24 * AGAIN), noon()));
        let midnight = Earlier::before(today, today.begin() + second);
        assert!(
            !midnight.is_old(today, today.begin() + SETTLE - second) && midnight.is_old(today, today.begin() + SETTLE)
        );
    }
}

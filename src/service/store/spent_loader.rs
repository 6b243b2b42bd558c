//! Loads into the budgets what the database has on record: costs from before this start and costs of other instances.
//!
//! Costs of requests here are in the books at once. They reach the database within a second, and the other instances
//! within ten more. So instances that spend beside each other know all costs but those of the last eleven seconds; of
//! reservations each knows only its own. A load never lowers what the books know.
//!
//! Every ten seconds one statement sums up today. The days before it, as far as a week or a month has them, are read at
//! the start (before any request is served), when the day changes, and once an hour, because spilled records and
//! batches come late. That is one statement for each day, and costs about a second for a million requests in the month.
//! Without any limit nothing is read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::service::base::outage::Outage;
use crate::service::govern::budgets::{BudgetWindow, Budgets, Period, Subject};
use crate::service::meter::money::MicroDollars;
use crate::service::store::database::{Costs, Database, StoreError};

pub(crate) struct SpentLoader {
    database: Database,
    budgets: Budgets,
    clock: Arc<dyn Clock>,
    /// One caller at a time reads.
    known: Mutex<LoadState>,
}

#[derive(Default)]
struct LoadState {
    /// When today's costs were last read.
    asked: Option<SystemTime>,
    earlier: Option<Earlier>,
}

/// The costs of the days before `day`.
struct Earlier {
    day: BudgetWindow,
    read: SystemTime,
    sums: HashMap<Subject, PastSpending>,
}

/// The costs of one subject on days before today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct PastSpending {
    week: MicroDollars,
    month: MicroDollars,
}

impl SpentLoader {
    pub(crate) fn new(database: Database, budgets: Budgets, clock: Arc<dyn Clock>) -> Self {
        Self { database, budgets, clock, known: Mutex::default() }
    }

    /// Reads all costs, if any subject has a limit.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        if self.budgets.are_set() { self.read(self.clock.now()).await } else { Ok(()) }
    }

    /// Catches up every ten seconds, and when limits change, for ever. The seconds are those of the wall clock, which
    /// the days are counted by.
    pub(crate) async fn run(&self) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outage = Outage::default();
        loop {
            let is_due = tokio::select! {
                _ = ticks.tick() => self.is_due().await,
                () = self.budgets.changed() => true,
            };
            if !is_due {
                continue;
            }
            match self.catch_up().await {
                Err(error) if outage.begins() => {
                    tracing::error!(%error, "Cannot read recorded costs; budgets count only those of this instance");
                }
                Ok(()) if outage.ends() => tracing::info!("Recorded costs can be read again"),
                _ => {}
            }
        }
    }

    async fn is_due(&self) -> bool {
        self.known.lock().await.asked.is_none_or(|asked| has_passed(asked, self.clock.now(), EVERY))
    }

    async fn read(&self, now: SystemTime) -> Result<(), StoreError> {
        let mut known = self.known.lock().await;
        let [day, week, month] = Period::ALL.map(|period| period.window(now));
        if known.asked.replace(now).is_none_or(|asked| Period::Day.window(asked) != day) {
            self.budgets.forget_past(now);
        }
        let goes_back = self.budgets.are_set_for(Period::Week) || self.budgets.are_set_for(Period::Month);
        if !goes_back {
            known.earlier = None;
        } else if known.earlier.as_ref().is_none_or(|earlier| earlier.is_old(day, now)) {
            let earlier = Earlier { day, read: now, sums: self.read_before(day, week, month).await? };
            self.enter_earlier(&earlier, week, month);
            known.earlier = Some(earlier);
        }
        let earlier = known.earlier.as_ref().map(|earlier| &earlier.sums);
        for (subject, today) in by_subject(&self.costs(day).await?) {
            self.budgets.load(&subject, day, today);
            if let Some(before) = earlier.map(|sums| sums.get(&subject).copied().unwrap_or_default()) {
                self.budgets.load(&subject, week, before.week + today);
                self.budgets.load(&subject, month, before.month + today);
            }
        }
        Ok(())
    }

    /// Sums up the days of this week and this month before `today`, one by one.
    async fn read_before(
        &self,
        today: BudgetWindow,
        week: BudgetWindow,
        month: BudgetWindow,
    ) -> Result<HashMap<Subject, PastSpending>, StoreError> {
        let mut sums = HashMap::<Subject, PastSpending>::new();
        let mut day = Period::Day.window(week.begin().min(month.begin()));
        while day.start < today.start {
            for (subject, spent) in by_subject(&self.costs(day).await?) {
                sums.entry(subject).or_default().add(spent, day.start >= week.start, day.start >= month.start);
            }
            day = Period::Day.window(day.over());
        }
        Ok(sums)
    }

    fn enter_earlier(&self, earlier: &Earlier, week: BudgetWindow, month: BudgetWindow) {
        for (subject, sums) in &earlier.sums {
            self.budgets.load(subject, week, sums.week);
            self.budgets.load(subject, month, sums.month);
        }
    }

    async fn costs(&self, day: BudgetWindow) -> Result<Vec<Costs>, StoreError> {
        let usage = self.database.usage();
        // A reply that the network swallowed never comes; the next attempt takes another connection.
        let read = tokio::time::timeout(LIMIT, usage.costs(day.begin(), day.over())).await;
        read.unwrap_or(Err(StoreError::Unreachable(sqlx::Error::PoolTimedOut)))
    }
}

impl Earlier {
    /// Whether the sums must be read again. Costs of requests that ended just before midnight are written after it.
    fn is_old(&self, today: BudgetWindow, now: SystemTime) -> bool {
        let settled = today.begin() + SETTLE;
        self.day != today || has_passed(self.read, now, AGAIN) || (self.read < settled && now >= settled)
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

/// Adds each cost to its device, its user and its organisation.
fn by_subject(costs: &[Costs]) -> HashMap<Subject, MicroDollars> {
    let mut sums = HashMap::<Subject, MicroDollars>::new();
    for Costs { device, user, org, sum } in costs {
        let user = user.as_deref().map(|user| Subject::User(user.into()));
        let org = org.as_deref().map(|org| Subject::Org(org.into()));
        for subject in [Some(Subject::Device(device.clone())), user, org].into_iter().flatten() {
            let spent = sums.entry(subject).or_default();
            *spent = *spent + *sum;
        }
    }
    sums
}

/// Whether `time` has passed. It counts as passed when the clock was set back.
fn has_passed(since: SystemTime, now: SystemTime, time: Duration) -> bool {
    !now.duration_since(since).is_ok_and(|passed| passed < time)
}

const LOOK: Duration = Duration::from_millis(250);
const EVERY: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(3600);
const SETTLE: Duration = Duration::from_secs(60);
/// For one day. PostgreSQL itself gives up a little earlier.
const LIMIT: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::DeviceId;

    /// 2026-11-25 12:00, a Wednesday.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_608_000)
    }

    fn costs(device: &str, user: Option<&str>, org: Option<&str>, sum: u64) -> Costs {
        Costs {
            device: DeviceId::parse(device).unwrap(),
            user: user.map(str::to_owned),
            org: org.map(str::to_owned),
            sum: MicroDollars::new(sum),
        }
    }

    #[test]
    fn costs_of_a_device_count_for_its_user_and_its_organisation_too() {
        let sums = by_subject(&[
            costs("device-0001", Some("ada"), Some("acme"), 1),
            costs("device-0001", Some("bob"), Some("acme"), 20),
            costs("device-0002", Some("ada"), None, 300),
            costs("device-0002", None, None, 4000),
        ]);
        let of = |subject: Subject| sums.get(&subject).map(|sum| sum.get());
        let device = |name: &str| Subject::Device(DeviceId::parse(name).unwrap());
        assert_eq!((of(device("device-0001")), of(device("device-0002"))), (Some(21), Some(4300)));
        assert_eq!((of(Subject::User("ada".into())), of(Subject::User("bob".into()))), (Some(301), Some(20)));
        assert_eq!((of(Subject::Org("acme".into())), of(Subject::Org("ada".into()))), (Some(21), None));
        assert_eq!(sums.len(), 5);
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
        let read_at = |read: SystemTime| Earlier { day: today, read, sums: HashMap::new() };
        let midday = read_at(noon());
        assert!(!midday.is_old(today, noon()) && !midday.is_old(today, noon() + AGAIN - second));
        assert!(midday.is_old(today, noon() + AGAIN));
        assert!(midday.is_old(today, noon() - second), "the clock was set back");
        assert!(midday.is_old(Period::Day.window(noon() + 24 * AGAIN), noon()));
        let midnight = read_at(today.begin() + second);
        assert!(
            !midnight.is_old(today, today.begin() + SETTLE - second) && midnight.is_old(today, today.begin() + SETTLE)
        );
    }
}

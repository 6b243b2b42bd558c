//! Loads into the budgets what the database has on record: costs from before this start and costs of other instances.
//!
//! Costs of requests here are in the books at once. They reach the database within a second, and the other instances
//! within ten more. So instances that spend beside each other know all costs but those of the last eleven seconds; of
//! reservations each knows only its own. A load never lowers what the books know.
//!
//! Every ten seconds the records of the last two minutes are summed up, and those before them that are new; the whole of
//! today only at the start, once an hour, and when records came late. The days before today, as far as a week or a month
//! has them, are read at the start (before any request is served), when the day changes, once an hour, and when records
//! came late. That is one statement for each day, and costs 2 to 9 s of two cores for a million requests. Without any
//! limit nothing is read.

mod earlier;
mod read_time;
mod spending;
mod today;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use self::earlier::Earlier;
use self::read_time::ReadTime;
use self::spending::Spending;
use self::today::Today;
use crate::clock::Clock;
use crate::service::base::outage::Outage;
use crate::service::govern::budgets::{Budgets, Period};
use crate::service::store::database::{Database, StoreError};

pub(crate) struct SpentLoader {
    database: Database,
    budgets: Budgets,
    clock: Arc<dyn Clock>,
    /// One caller at a time reads.
    known: Mutex<LoadState>,
}

#[derive(Default)]
struct LoadState {
    /// When costs were last read.
    asked: Option<ReadTime>,
    earlier: Option<Earlier>,
    /// `None` until the day was read from its beginning, after an error too.
    today: Option<Today>,
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
        self.known.lock().await.asked.is_none_or(|asked| asked.is_past(EVERY, self.clock.now()))
    }

    async fn read(&self, now: SystemTime) -> Result<(), StoreError> {
        let mut known = self.known.lock().await;
        let day = Period::Day.window(now);
        if known.asked.replace(ReadTime(now)).is_none_or(|asked| Period::Day.window(asked.0) != day) {
            self.budgets.forget_past(now);
        }
        // Asked first: what comes late meanwhile is then read twice, not never.
        let late = in_time(self.database.usage().late_revision()).await?;
        self.read_earlier(&mut known, late, now).await?;
        self.read_today(&mut known, late, now).await
    }

    /// Reads the days of this week and this month before today, one by one, if they are needed and not known.
    async fn read_earlier(&self, known: &mut LoadState, late: i64, now: SystemTime) -> Result<(), StoreError> {
        let [today, week, month] = Period::ALL.map(|period| period.window(now));
        if !self.budgets.are_set_for(Period::Week) && !self.budgets.are_set_for(Period::Month) {
            known.earlier = None;
            return Ok(());
        }
        if known.earlier.as_ref().is_some_and(|earlier| !earlier.is_old(today, late, now)) {
            return Ok(());
        }
        let mut earlier = Earlier::before(today, late, now);
        let mut day = Period::Day.window(week.begin().min(month.begin()));
        while day.start < today.start {
            let spent = self.spent(day.begin(), day.over()).await?;
            earlier.add_day(&spent, day.start >= week.start, day.start >= month.start);
            day = Period::Day.window(day.over());
        }
        for (subject, sums) in earlier.each() {
            self.budgets.load(subject, week, sums.week);
            self.budgets.load(subject, month, sums.month);
        }
        known.earlier = Some(earlier);
        // The sums of all subjects have changed, not only those of subjects that spend now.
        known.today = None;
        Ok(())
    }

    async fn read_today(&self, known: &mut LoadState, late: i64, now: SystemTime) -> Result<(), StoreError> {
        let [day, week, month] = Period::ALL.map(|period| period.window(now));
        let known_today = known.today.take().filter(|today| !today.is_old(day, late, now));
        let mut today = known_today.unwrap_or_else(|| Today::unread(day, late, now));
        let edge = today.edge(now);
        let before_edge = self.spent(today.until(), edge).await?;
        let since_edge = self.spent(edge, day.over()).await?;
        today.add(&before_edge, edge);
        for (subject, _) in before_edge.each().chain(since_edge.each()) {
            let spent = today.by(subject) + since_edge.by(subject);
            self.budgets.load(subject, day, spent);
            if let Some(before) = known.earlier.as_ref().map(|earlier| earlier.by(subject)) {
                self.budgets.load(subject, week, before.week + spent);
                self.budgets.load(subject, month, before.month + spent);
            }
        }
        known.today = Some(today);
        Ok(())
    }

    /// The costs of requests that ended at `from` or later and before `to`.
    async fn spent(&self, from: SystemTime, to: SystemTime) -> Result<Spending, StoreError> {
        if from >= to {
            return Ok(Spending::default());
        }
        let costs = in_time(self.database.usage().costs(from, to)).await?;
        Ok(Spending::of(&costs))
    }
}

/// A reply that the network swallowed never comes; the next attempt takes another connection.
async fn in_time<T>(reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let read = tokio::time::timeout(LIMIT, reading).await;
    read.unwrap_or(Err(StoreError::Unreachable(sqlx::Error::PoolTimedOut)))
}

const LOOK: Duration = Duration::from_millis(250);
const EVERY: Duration = Duration::from_secs(10);
/// For one day. PostgreSQL itself gives up a little earlier.
const LIMIT: Duration = Duration::from_secs(40);

//! Budgets: limits in dollars for a device, a user and an organisation, by day, week and month.
//!
//! A request that costs something reserves its estimate before it goes up and settles its real cost afterwards. In
//! between, the estimate counts as spent, so requests side by side cannot spend the same dollar twice. A
//! [`Reservation`] that is dropped unsettled gives everything back. Requests that cost nothing (counting tokens,
//! listing models) take [`Reservation::of_nothing`] and are never refused.
//!
//! The books are in memory, behind one lock that is held for a few map look-ups and never across an await; the table of
//! limits is read without it. If no subject has a limit, a request costs one look at a flag. Costs from before the
//! start and of other instances are [loaded](Budgets::load). Wall-clock time is passed in.

pub(crate) mod amount;
mod books;
mod headers;
mod limits;
mod problem;
mod reservation;
mod spent;
mod state;
mod subject;
mod table;
mod window;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

pub use self::amount::AmountError;
use self::books::Books;
pub use self::books::BudgetStatus;
pub use self::limits::{BudgetLimitError, DefaultLimits, Limits};
pub use self::reservation::Reservation;
pub use self::spent::{BudgetExceededError, Shortage};
use self::state::BudgetState;
pub use self::subject::{Subject, SubjectKind};
use self::table::LimitTable;
pub use self::window::{BudgetWindow, Period};
use crate::service::meter::money::MicroDollars;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource, counters};
use crate::service::token::verify::Caller;

/// All budgets of the service. Clones share them.
#[derive(Debug, Clone)]
pub struct Budgets(Arc<BudgetState>);

impl Budgets {
    pub fn new(defaults: DefaultLimits) -> Self {
        let table = LimitTable::new(defaults);
        Self(Arc::new(BudgetState {
            books: Mutex::default(),
            limited: AtomicBool::new(table.has_limits()),
            table: ArcSwap::from_pointee(table),
            changed: Notify::new(),
            refusals: counters(BudgetExceededError::all_labels()),
        }))
    }

    pub fn limit_by_default(&self, defaults: DefaultLimits) {
        self.change(|table| table.defaults = defaults);
    }

    /// Replaces the own limits of all subjects.
    pub fn replace_limits(&self, own: HashMap<Subject, Limits>) {
        self.change(|table| table.replace(own));
    }

    /// Whether any subject has a limit.
    pub fn are_set(&self) -> bool {
        self.0.limited.load(Ordering::Relaxed)
    }

    /// Whether any subject has a limit for this period.
    pub fn are_set_for(&self, period: Period) -> bool {
        self.0.table.load().counts(period)
    }

    /// Whether a request of `caller` has any limit to obey. Neither locks nor allocates.
    pub fn apply_to(&self, caller: &Caller) -> bool {
        self.are_set() && self.0.table.load().applies_to(caller.device(), caller.user(), caller.org())
    }

    /// The limits in force for a subject, and whether they are its own.
    pub fn limits(&self, subject: &Subject) -> (Limits, bool) {
        let table = self.0.table.load();
        (table.of(subject), table.own(subject).is_some())
    }

    /// Waits until limits have changed since the last time.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Enters what a subject has spent in a window, if it is more than the books know: costs settled here are known
    /// sooner than they can be read. A past window is ignored.
    pub fn load(&self, subject: &Subject, window: BudgetWindow, spent: MicroDollars) {
        self.books().load(subject, window, spent);
    }

    /// Takes `estimate` from the budgets of all `subjects`, or from none.
    ///
    /// A request passes when its estimate fits beside the money spent and reserved. An estimate that is larger than the
    /// rest passes too when nothing else is reserved there: an estimate is a worst case, and a request should not be
    /// refused with money left and nothing running. So a limit is exceeded by at most what costs exceed their
    /// estimates, or by the one request that ran alone.
    ///
    /// [`BudgetExceededError`] names the budget that decides when the request can pass.
    pub fn reserve(
        &self,
        subjects: &[Subject],
        estimate: MicroDollars,
        now: SystemTime,
    ) -> Result<Reservation, BudgetExceededError> {
        if !self.are_set() {
            return Ok(Reservation::of_nothing());
        }
        let (estimate, table) = (estimate.max(LEAST), self.0.table.load());
        let mut books = self.books();
        let reserved = books.reserve(&table, subjects, estimate, now);
        let fullest = if reserved.is_ok() { books.fullest(&table, subjects, now) } else { None };
        drop(books);
        let holds = reserved.inspect_err(|refusal| {
            self.0.refusals.get_or_create(&refusal.labels()).inc();
        })?;
        Ok(Reservation::new(Arc::clone(&self.0), holds, estimate).with_standing(fullest))
    }

    /// How a subject stands with each of these limits; empty when there is none.
    pub fn standing_with(&self, subject: &Subject, limits: Limits, now: SystemTime) -> Vec<BudgetStatus> {
        self.books().standing(subject, limits, now)
    }

    /// Forgets subjects that have spent nothing in any present window and have nothing reserved, so that the books do
    /// not grow for ever. To be called now and then.
    pub fn forget_past(&self, now: SystemTime) {
        self.books().forget_past(now);
    }

    fn change(&self, change: impl FnOnce(&mut LimitTable)) {
        // Changes are made one at a time.
        let _books = self.books();
        let old = self.0.table.load_full();
        let mut table = LimitTable::clone(&old);
        change(&mut table);
        if table != *old {
            self.0.limited.store(table.has_limits(), Ordering::Relaxed);
            self.0.table.store(Arc::new(table));
            self.0.changed.notify_one();
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books()
    }
}

/// A reservation of nothing would not show in the books, and a subject that has nothing there is forgotten.
const LEAST: MicroDollars = MicroDollars::new(1);

impl MetricSource for Budgets {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let help = "Requests that a budget refused: its money was spent, or what is left was reserved by others";
        page.metric("budget_refusals", help, &self.0.refusals)
    }
}

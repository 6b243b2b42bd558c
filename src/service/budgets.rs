//! Who may spend how much: limits in dollars for a device, a user and an organisation, by day, week and month.
//!
//! A request that costs something reserves its estimate before it goes up and settles what it really cost afterwards;
//! in between, the estimate counts as spent, so requests side by side cannot spend the same dollar twice. A
//! [`Reservation`] that is dropped unsettled gives everything back. Requests that cost nothing (counting tokens, listing
//! models) take [`Reservation::of_nothing`] and are never refused.
//!
//! The books are in memory, behind one lock that is held for a few map look-ups and never across an await. Who starts
//! the service [loads](Budgets::load) what was spent before. Wall-clock time is passed in.

mod books;
mod refusal;
mod reservation;
mod spent;
mod subject;
mod window;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use self::books::Books;
pub use self::books::Standing;
pub use self::reservation::Reservation;
pub use self::spent::{Shortage, Spent};
pub use self::subject::{Subject, SubjectKind};
pub use self::window::{Period, Window};
use super::money::MicroDollars;

/// All budgets of the service. Clones share them.
#[derive(Debug, Clone)]
pub struct Budgets(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    books: Mutex<Books>,
    /// Whether there is any limit at all; without one, no request takes the lock.
    limited: AtomicBool,
}

/// What may be spent in each period; `None` is no limit, and zero lets nothing through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// In a day.
    pub day: Option<MicroDollars>,
    /// In a week that begins on Monday.
    pub week: Option<MicroDollars>,
    /// In a calendar month.
    pub month: Option<MicroDollars>,
}

/// The limits of everybody for whom nothing else is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DefaultLimits {
    /// Of each device.
    pub device: Limits,
    /// Of each user, over all devices.
    pub user: Limits,
    /// Of each organisation, over all users.
    pub org: Limits,
}

impl Budgets {
    /// Nobody has spent anything yet.
    #[must_use]
    pub fn new(defaults: DefaultLimits) -> Self {
        let books = Books::new(defaults);
        let limited = AtomicBool::new(books.has_limits());
        Self(Arc::new(Shared { books: Mutex::new(books), limited }))
    }

    /// Sets limits of one subject, in place of the default ones; `None` puts those back.
    ///
    /// Only who has a limit is kept account of. Where there was none before, [`load`](Self::load) what was spent.
    pub fn limit(&self, subject: &Subject, limits: Option<Limits>) {
        let mut books = self.books();
        books.limit(subject, limits);
        self.0.limited.store(books.has_limits(), Ordering::Relaxed);
    }

    /// Replaces the default limits.
    pub fn limit_by_default(&self, defaults: DefaultLimits) {
        let mut books = self.books();
        books.limit_by_default(defaults);
        self.0.limited.store(books.has_limits(), Ordering::Relaxed);
    }

    /// Enters what a subject has spent in a window, in place of what was known. A window that is past is ignored.
    pub fn load(&self, subject: &Subject, window: Window, spent: MicroDollars) {
        self.books().load(subject, window, spent);
    }

    /// Takes `estimate` from the budgets of all `subjects`, or from none.
    ///
    /// A request passes when the estimate fits beside what is spent and reserved. One that is larger than what is left
    /// passes too when nothing else is reserved there: an estimate is a worst case, and nobody should be refused
    /// with money left and nothing running. So a limit is exceeded by at most what costs exceed their estimates, or by the
    /// one request that ran alone.
    ///
    /// # Errors
    /// [`Spent`], for the budget that is the last to be there again.
    pub fn reserve(&self, subjects: &[Subject], estimate: MicroDollars, now: SystemTime) -> Result<Reservation, Spent> {
        if !self.0.limited.load(Ordering::Relaxed) {
            return Ok(Reservation::of_nothing());
        }
        let estimate = estimate.max(LEAST);
        let holds = self.books().reserve(subjects, estimate, now)?;
        Ok(Reservation::new(Arc::clone(&self.0), holds, estimate))
    }

    /// How a subject stands with each of its limits; empty when it has none.
    #[must_use]
    pub fn standing(&self, subject: &Subject, now: SystemTime) -> Vec<Standing> {
        self.books().standing(subject, now)
    }

    /// Forgets who has spent nothing in any present window and has nothing reserved, so that the books do not grow for
    /// ever. Call it now and then.
    pub fn forget_past(&self, now: SystemTime) {
        self.books().forget_past(now);
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books()
    }
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limits {
    /// The limit of one period.
    #[must_use]
    pub fn of(&self, period: Period) -> Option<MicroDollars> {
        match period {
            Period::Day => self.day,
            Period::Week => self.week,
            Period::Month => self.month,
        }
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl DefaultLimits {
    fn of(&self, kind: SubjectKind) -> Limits {
        match kind {
            SubjectKind::Device => self.device,
            SubjectKind::User => self.user,
            SubjectKind::Org => self.org,
        }
    }
}

/// A reservation of nothing would not show in the books, and who has nothing there is forgotten.
const LEAST: MicroDollars = MicroDollars::new(1);

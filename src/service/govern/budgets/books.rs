//! The accounts of all subjects. They are read and changed under the lock of [`Budgets`](super::Budgets).

use std::collections::HashMap;
use std::time::SystemTime;

use serde::Serialize;

use super::table::LimitTable;
use super::{BudgetExceededError, BudgetWindow, Limits, Period, Shortage, Subject};
use crate::service::meter::money::MicroDollars;

#[derive(Debug, Default)]
pub(super) struct Books {
    accounts: HashMap<Subject, Account>,
}

/// One page for each period, in the order of [`Period::ALL`].
#[derive(Debug, Clone, Copy)]
struct Account([WindowBalance; 3]);

/// The money spent and reserved in one window.
#[derive(Debug, Clone, Copy)]
struct WindowBalance {
    window: BudgetWindow,
    spent: MicroDollars,
    reserved: MicroDollars,
}

/// Where a reservation was entered: the subject and the beginnings of its windows.
#[derive(Debug)]
pub(super) struct Hold {
    subject: Subject,
    starts: [u64; 3],
}

/// How a subject stands with one of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BudgetStatus {
    pub window: BudgetWindow,
    pub limit: MicroDollars,
    pub spent: MicroDollars,
    /// The estimates of running requests.
    pub reserved: MicroDollars,
}

impl Books {
    pub(super) fn load(&mut self, subject: &Subject, window: BudgetWindow, spent: MicroDollars) {
        let account = self.accounts.entry(subject.clone()).or_insert_with(|| Account::blank(window.begin()));
        let page = account.page(window.period);
        page.turn(window);
        if page.window == window {
            page.spent = page.spent.max(spent);
        }
    }

    /// Checks all subjects, then enters all: a refused request leaves no trace.
    pub(super) fn reserve(
        &mut self,
        table: &LimitTable,
        subjects: &[Subject],
        estimate: MicroDollars,
        now: SystemTime,
    ) -> Result<Vec<Hold>, BudgetExceededError> {
        let mut refusal: Option<BudgetExceededError> = None;
        for subject in subjects {
            let limits = table.of(subject);
            let Some(account) = self.accounts.get_mut(subject) else {
                refusal = worse(refusal, Account::blank(now).shortages(subject, limits, estimate, now));
                continue;
            };
            account.turn(now);
            refusal = worse(refusal, account.shortages(subject, limits, estimate, now));
        }
        if let Some(spent) = refusal {
            return Err(spent);
        }
        let limited = subjects.iter().filter(|subject| !table.of(subject).is_none());
        Ok(limited.map(|subject| self.hold(subject.clone(), estimate, now)).collect())
    }

    fn hold(&mut self, subject: Subject, estimate: MicroDollars, now: SystemTime) -> Hold {
        let account = self.accounts.entry(subject.clone()).or_insert_with(|| Account::blank(now));
        for page in &mut account.0 {
            page.reserved = page.reserved + estimate;
        }
        Hold { subject, starts: account.0.map(|page| page.window.start) }
    }

    /// Gives a reservation back and enters the cost, in the windows of the reservation. A window that is over by now
    /// has no page any more and needs none.
    pub(super) fn release(&mut self, hold: &Hold, estimate: MicroDollars, actual: MicroDollars) {
        let Some(account) = self.accounts.get_mut(&hold.subject) else { return };
        for (page, start) in account.0.iter_mut().zip(hold.starts) {
            if page.window.start == start {
                page.reserved = page.reserved.less(estimate);
                page.spent = page.spent + actual;
            }
        }
    }

    pub(super) fn standing(&self, subject: &Subject, limits: Limits, now: SystemTime) -> Vec<BudgetStatus> {
        let mut account = self.accounts.get(subject).copied().unwrap_or_else(|| Account::blank(now));
        account.turn(now);
        let standing = |WindowBalance { window, spent, reserved }: WindowBalance| {
            limits.of(window.period).map(|limit| BudgetStatus { window, limit, spent, reserved })
        };
        account.0.into_iter().filter_map(standing).collect()
    }

    /// How the fullest budget of these subjects stands; of two alike the one of the longer period.
    pub(super) fn fullest(&self, table: &LimitTable, subjects: &[Subject], now: SystemTime) -> Option<BudgetStatus> {
        let standing = subjects.iter().flat_map(|subject| self.standing(subject, table.of(subject), now));
        standing.max_by(BudgetStatus::compare_fullness)
    }

    pub(super) fn forget_past(&mut self, now: SystemTime) {
        self.accounts.retain(|_, account| {
            account.turn(now);
            account.0.iter().any(|page| page.spent > MicroDollars::ZERO || page.reserved > MicroDollars::ZERO)
        });
        self.accounts.shrink_to_fit();
    }
}

impl Account {
    fn blank(now: SystemTime) -> Self {
        Self(Period::ALL.map(|period| WindowBalance::blank(period.window(now))))
    }

    fn page(&mut self, period: Period) -> &mut WindowBalance {
        self.0.iter_mut().find(|page| page.window.period == period).expect("an account has a page for each period")
    }

    fn turn(&mut self, now: SystemTime) {
        for page in &mut self.0 {
            page.turn(page.window.period.window(now));
        }
    }

    /// The worst refusal of the request by the account's limits.
    fn shortages(
        &self,
        subject: &Subject,
        limits: Limits,
        estimate: MicroDollars,
        now: SystemTime,
    ) -> Option<BudgetExceededError> {
        self.0.iter().fold(None, |worst, page| {
            let limit = limits.of(page.window.period);
            let found = limit.and_then(|limit| page.shortage(limit, estimate).map(|shortage| (limit, shortage)));
            let spent = found.map(|(limit, shortage)| BudgetExceededError {
                subject: subject.kind(),
                window: page.window,
                limit,
                used: page.spent,
                resets_in: page.window.rest(now),
                shortage,
            });
            worse(worst, spent)
        })
    }
}

impl WindowBalance {
    fn blank(window: BudgetWindow) -> Self {
        Self { window, spent: MicroDollars::ZERO, reserved: MicroDollars::ZERO }
    }

    /// Begins anew when `window` is a later one. A clock that was set back stays in the window that was reached, so
    /// that spent money stays spent.
    fn turn(&mut self, window: BudgetWindow) {
        if window.start > self.window.start {
            *self = Self::blank(window);
        }
    }

    fn shortage(&self, limit: MicroDollars, estimate: MicroDollars) -> Option<Shortage> {
        if self.spent >= limit {
            return Some(Shortage::Money);
        }
        let runs_alone = self.reserved == MicroDollars::ZERO;
        let fits = self.spent + self.reserved + estimate <= limit;
        if fits || runs_alone { None } else { Some(Shortage::Room) }
    }
}

/// Of two refusals the one that decides when a request can pass: spent money before reserved room, then the later
/// reset.
fn worse(one: Option<BudgetExceededError>, other: Option<BudgetExceededError>) -> Option<BudgetExceededError> {
    let rank = |spent: &BudgetExceededError| (spent.shortage == Shortage::Money, spent.window.end);
    [one, other].into_iter().flatten().reduce(|one, other| if rank(&other) > rank(&one) { other } else { one })
}

#[cfg(test)]
mod tests {
    use super::Books;

    impl Books {
        pub(in crate::service::govern::budgets) fn accounts(&self) -> usize {
            self.accounts.len()
        }
    }
}

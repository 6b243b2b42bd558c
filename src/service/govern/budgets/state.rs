//! The books and the limits of all budgets.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::books::Books;
use super::table::LimitTable;
use crate::lock::lock;
use crate::service::telemetry::metrics::Counters;

#[derive(Debug)]
pub(super) struct BudgetState {
    pub(super) books: Mutex<Books>,
    pub(super) table: ArcSwap<LimitTable>,
    /// Whether any subject has a limit. If none has, no request takes the lock.
    pub(super) limited: AtomicBool,
    pub(super) changed: Notify,
    pub(super) refusals: Counters<2>,
}

impl BudgetState {
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }
}

//! The memory that all buffered bodies share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of memory shared by all buffered bodies. Once they are used up, further bodies are streamed.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    used: Arc<AtomicUsize>,
    total: usize,
}

impl MemoryBudget {
    /// A budget of `total` bytes, none of which is used.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self { used: Arc::default(), total }
    }

    pub(super) fn share(&self) -> MemoryShare {
        MemoryShare { budget: self.clone(), taken: 0 }
    }
}

/// The part of the budget that one body uses; released on drop.
#[derive(Debug)]
pub(super) struct MemoryShare {
    budget: MemoryBudget,
    taken: usize,
}

impl MemoryShare {
    /// Adds `by` bytes, and returns whether the budget had room for them.
    pub(super) fn grow(&mut self, by: usize) -> bool {
        let before = self.budget.used.fetch_add(by, Ordering::Relaxed);
        self.taken += by;
        before + by <= self.budget.total
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

//! Memory for held bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory shared by all held bodies; when it is used up, bodies are streamed.
#[derive(Debug, Clone)]
pub struct Budget {
    used: Arc<AtomicUsize>,
    total: usize,
}

impl Budget {
    /// A budget of `total` bytes.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self { used: Arc::default(), total }
    }

    pub(super) fn share(&self) -> Share {
        Share { budget: self.clone(), taken: 0 }
    }
}

/// What one body has taken of the budget; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    taken: usize,
}

impl Share {
    /// Takes more; whether the budget allowed it.
    pub(super) fn grow(&mut self, by: usize) -> bool {
        let before = self.budget.used.fetch_add(by, Ordering::Relaxed);
        self.taken += by;
        before + by <= self.budget.total
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

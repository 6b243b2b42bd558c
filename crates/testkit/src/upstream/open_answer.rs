//! The guard of an answer in progress.

use std::sync::Arc;

use super::journal::Journal;

/// Counts as an answer in progress while it lives. A drop before [`OpenAnswer::finish`] means that the peer has left.
pub(super) struct OpenAnswer {
    journal: Arc<Journal>,
    finished: bool,
}

impl OpenAnswer {
    pub(super) fn start(journal: &Arc<Journal>) -> Self {
        journal.open_answer();
        Self { journal: Arc::clone(journal), finished: false }
    }

    /// The answer went as planned, a planned cut included.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        self.journal.close_answer(self.finished);
    }
}

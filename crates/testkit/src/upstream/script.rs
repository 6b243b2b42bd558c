//! The answers that a test has put in the queue.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use super::answer::Answer;

/// Empty at first: the server then answers by itself.
#[derive(Default)]
pub(super) struct Script(Mutex<Lines>);

#[derive(Default)]
struct Lines {
    next: VecDeque<Answer>,
    always: Option<Answer>,
    key_probes: Option<Answer>,
}

impl Script {
    pub(super) fn next(&self, answer: Answer) {
        self.lines().next.push_back(answer);
    }

    pub(super) fn always(&self, answer: Answer) {
        self.lines().always = Some(answer);
    }

    pub(super) fn key_probes(&self, answer: Answer) {
        self.lines().key_probes = Some(answer);
    }

    pub(super) fn key_probe(&self) -> Option<Answer> {
        self.lines().key_probes.clone()
    }

    /// The answer for the request that has just arrived.
    pub(super) fn take(&self) -> Option<Answer> {
        let mut lines = self.lines();
        lines.next.pop_front().or_else(|| lines.always.clone())
    }

    pub(super) fn clear(&self) {
        *self.lines() = Lines::default();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().expect("nothing panics while it holds the script")
    }
}

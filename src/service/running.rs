//! The threads of the service, and its end.

use std::thread::JoinHandle;

use super::config::Following;
use super::control::RunningControl;
use super::reload::Reloading;

/// The threads of a running service.
pub struct Running {
    pub(super) workers: Vec<JoinHandle<()>>,
    pub(super) reloading: Reloading,
    pub(super) following: Option<Following>,
    pub(super) control: RunningControl,
}

impl Running {
    /// Waits until every worker has ended.
    pub fn join(self) {
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("A worker panicked");
            }
        }
        self.reloading.end();
        if let Some(following) = self.following {
            following.end();
        }
        self.control.end();
    }
}

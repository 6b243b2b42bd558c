//! The handle of a running service: its threads, and the orderly end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::service::base::watched_file::Reloading;
use crate::service::run::background::ControlHandle;
use crate::service::telemetry::otlp::Otlp;

pub struct ServiceHandle {
    pub(crate) workers: Vec<JoinHandle<()>>,
    pub(crate) reloading: Reloading,
    pub(crate) control: ControlHandle,
    pub(crate) otlp: Option<Arc<Otlp>>,
}

impl ServiceHandle {
    /// Waits until every worker has ended, then ends the other threads.
    pub fn join(self) {
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("A worker panicked");
            }
        }
        self.reloading.end();
        self.control.end();
        if let Some(otlp) = self.otlp {
            let left = otlp.close(EXPORT_LIMIT);
            if left.waiting > 0 {
                tracing::warn!(waiting = left.waiting, "Traces and metrics could not be sent in time");
            }
        }
    }
}

/// How long the end waits for the OpenTelemetry collector.
const EXPORT_LIMIT: Duration = Duration::from_secs(5);

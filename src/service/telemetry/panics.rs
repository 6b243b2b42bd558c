//! What is said of a panic. A handler that panics ends its connection and nothing else: the runtime catches it with the
//! connection's task. What is left to do is to tell the operators.
//!
//! The log and Sentry learn where it was. The message is told only if it stands in the code as it is: one that was put
//! together may quote what a request said.

use std::panic::PanicHookInfo;
use std::sync::Arc;

use crate::service::telemetry::error_reports::{ErrorReports, Panic};

/// From now on every panic of this process is told to the log, and to `reports`.
pub fn watch(reports: Option<Arc<ErrorReports>>) {
    let usual = std::panic::take_hook();
    let tell = hook(reports);
    std::panic::set_hook(Box::new(move |info| {
        tell(info);
        // After these two nobody writes the log any more.
        if matches!(std::thread::current().name(), Some("main" | "log")) {
            usual(info);
        }
    }));
}

/// Tells one panic.
pub fn hook(reports: Option<Arc<ErrorReports>>) -> impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static {
    move |info| {
        let panic = Panic::of(info);
        tracing::error!(thread = %panic.thread, location = %panic.location, "Panicked: {}", panic.message);
        if let Some(reports) = &reports {
            reports.panicked(&panic);
        }
    }
}

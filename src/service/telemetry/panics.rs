//! Reports panics to the log and to Sentry. A panic ends one request and no other: its client gets a 500, or a broken
//! connection once the answer has begun.
//!
//! Both learn the location. They get the message only if it is a literal in the code: a formatted message may quote a
//! request.

use std::panic::PanicHookInfo;
use std::sync::Arc;

use crate::service::telemetry::error_reports::{ErrorReports, Panic};

/// Installs the panic hook: every later panic of this process goes to the log and to `reports`.
pub fn watch(reports: Option<Arc<ErrorReports>>) {
    let usual = std::panic::take_hook();
    let tell = hook(reports);
    std::panic::set_hook(Box::new(move |info| {
        tell(info);
        // These threads end the log when they panic, so the usual hook prints to standard error.
        if matches!(std::thread::current().name(), Some("main" | "log")) {
            usual(info);
        }
    }));
}

/// The hook that reports one panic.
pub fn hook(reports: Option<Arc<ErrorReports>>) -> impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static {
    move |info| {
        let panic = Panic::of(info);
        tracing::error!(thread = %panic.thread, location = %panic.location, "Panicked: {}", panic.message);
        if let Some(reports) = &reports {
            reports.panicked(&panic);
        }
    }
}

//! Counts the answers that the proxy gave to local clients, by the class of their status (RFC 9110 §15).

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use serde::Serialize;

/// The counts of one client.
#[derive(Debug, Default)]
pub(super) struct AnswerCounts {
    successful: AtomicU64,
    client_errors: AtomicU64,
    server_errors: AtomicU64,
    others: AtomicU64,
}

/// The counts at one moment; in JSON the `answers` of `ValetDiagnostics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// Status 2xx.
    pub successful: u64,
    /// Status 4xx: the proxy, the service or Claude refused the request.
    pub client_errors: u64,
    /// Status 5xx.
    pub server_errors: u64,
    /// Any other status.
    pub others: u64,
}

impl AnswerCounts {
    pub(super) fn count(&self, status: StatusCode) {
        let class = match status.as_u16() / 100 {
            2 => &self.successful,
            4 => &self.client_errors,
            5 => &self.server_errors,
            _ => &self.others,
        };
        class.fetch_add(1, Ordering::Relaxed);
    }

    #[must_use]
    pub(super) fn now(&self) -> Answers {
        let count = |class: &AtomicU64| class.load(Ordering::Relaxed);
        Answers {
            successful: count(&self.successful),
            client_errors: count(&self.client_errors),
            server_errors: count(&self.server_errors),
            others: count(&self.others),
        }
    }
}

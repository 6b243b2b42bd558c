//! Whether the upstream accepts the real key, by a request of the service's own.
//!
//! The request is `POST /v1/messages` with an empty object. The API looks at the key first and then refuses the body, so
//! 400 is the answer to a good key, and nothing is billed. A key whose scope is Messages alone is a good one.
//!
//! `valetkey doctor` asks once. The running service asks when the key was replaced, and after a 403: a device can cause a
//! 403 by what it asks for (a model that the key lacks, a profile that cannot be billed), so only the answer to the service
//! itself is an alarm.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, Response, StatusCode};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::key_swap::KeySwap;
use crate::service::base::enum_names::enum_names;
use crate::service::telemetry::error_reports::ErrorReports;
use crate::service::telemetry::metrics::{Counters, FamilyEncoder, MetricSource, counters};
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::Connector;
use crate::transport::upstream::{Upstream, UpstreamBody, UpstreamError};

/// What an answer to the probe says of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyVerdict {
    Accepted,
    Refused,
    /// The answer does not depend on the key.
    Unknown,
}

enum_names!(KeyVerdict { Accepted = "accepted", Refused = "refused", Unknown = "unknown" });

impl KeyVerdict {
    pub(crate) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            // Some gateways refuse a body by 422.
            200..=299 | 400 | 422 => Self::Accepted,
            401 | 403 => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

/// Asks the upstream once, over a connection of its own.
///
/// # Panics
/// Never: the request is a constant.
pub(crate) async fn ask(
    swap: &KeySwap,
    connector: Connector,
    limit: Duration,
) -> Result<Response<UpstreamBody>, UpstreamError> {
    let upstream = Upstream::new(connector);
    let request = Request::post("/v1/messages").header(CONTENT_TYPE, "application/json");
    let request = request.header("anthropic-version", "2023-06-01").header(USER_AGENT, AGENT).body(());
    let (parts, ()) = request.expect("a constant request").into_parts();
    let request = swap.outbound(parts, BufferedBody::whole(b"{}"), &upstream);
    upstream.send(request, limit.min(ASK_LIMIT)).await
}

/// Asks after a 403, at most once in a minute, and for each new key. Shared by all workers.
pub(crate) struct KeyProbe {
    swap: Arc<KeySwap>,
    connector: Connector,
    limit: Duration,
    suspected: Notify,
    outcomes: Counters<1>,
    reports: Option<Arc<ErrorReports>>,
}

impl KeyProbe {
    /// Waits for an answer as long as `limit`, or less.
    pub(crate) fn new(
        swap: Arc<KeySwap>,
        connector: Connector,
        limit: Duration,
        reports: Option<Arc<ErrorReports>>,
    ) -> Self {
        let outcomes = counters(KeyVerdict::ALL.map(|verdict| [("outcome", verdict.as_str())]));
        Self { swap, connector, limit, suspected: Notify::new(), outcomes, reports }
    }

    /// The upstream answered 403 to a request. Waits for nothing.
    pub(crate) fn suspect(&self) {
        self.suspected.notify_one();
    }

    /// Runs on the control thread, off the requests' way.
    pub(crate) async fn run(&self) {
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = self.swap.until_replaced() => {}
                () = self.suspected_at(next) => {}
            }
            self.look().await;
            next = Instant::now() + PAUSE;
        }
    }

    /// Waits for a 403, and at least until `next`.
    async fn suspected_at(&self, next: Instant) {
        self.suspected.notified().await;
        tokio::time::sleep_until(next).await;
    }

    async fn look(&self) {
        let status = match ask(&self.swap, self.connector.clone(), self.limit).await {
            Ok(answer) => answer.status(),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "The probe of the service's key got no answer"
                );
                return self.count(KeyVerdict::Unknown);
            }
        };
        let (verdict, status) = (KeyVerdict::of(status), status.as_u16());
        self.count(verdict);
        match verdict {
            KeyVerdict::Accepted => tracing::info!(status, "The upstream accepts the service's key"),
            KeyVerdict::Unknown => {
                tracing::warn!(status, "The answer to the probe of the service's key says nothing of it");
            }
            KeyVerdict::Refused => {
                self.swap.refuse();
                tracing::error!(status, "The upstream refused the service's key");
                if let Some(reports) = &self.reports {
                    reports.key_refused(status);
                }
            }
        }
    }

    fn count(&self, verdict: KeyVerdict) {
        self.outcomes.get_or_create(&[("outcome", verdict.as_str())]).inc();
    }
}

impl MetricSource for KeyProbe {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        page.metric("key_probes", "Requests of the service's own that ask whether its key is accepted", &self.outcomes)
    }
}

const AGENT: &str = concat!("valetkey/", env!("CARGO_PKG_VERSION"));

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(60);

/// How long a person who runs a check waits for the head of the answer.
const ASK_LIMIT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_401_and_403_speak_against_the_key_and_a_refused_body_speaks_for_it() {
        for (verdict, statuses) in [
            (KeyVerdict::Accepted, &[200, 400, 422][..]),
            (KeyVerdict::Refused, &[401, 403]),
            (KeyVerdict::Unknown, &[302, 402, 404, 405, 407, 408, 413, 429, 500, 529]),
        ] {
            for status in statuses {
                assert_eq!(KeyVerdict::of(StatusCode::from_u16(*status).unwrap()), verdict, "{status}");
            }
        }
    }
}

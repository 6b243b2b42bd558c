//! Reports to Sentry: panics, error answers that are the service's own fault, and a key that the upstream refuses.
//!
//! A report holds nothing of a request: no header, body, token, device or address. Sentry's client has its own thread
//! and bounded queue, so no request waits for a report.

mod panic;
mod throttle;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sentry::protocol::Event;
use sentry::transports::ReqwestHttpTransportOptions;
use sentry::{Client, ClientOptions, Level, Transport, TransportFactory, TransportOptions};
use tokio::time::Instant;

pub use self::panic::Panic;
use self::throttle::Throttle;
use crate::service::base::http_client::http_client;
use crate::transport::request_id::RequestId;
use crate::wire::ErrorCode;
use sentry::types::Dsn;
use std::fmt;

#[derive(Clone)]
pub struct SentryConfig {
    /// The project's address, with a key that allows reports.
    pub dsn: Dsn,
    pub environment: String,
}

impl fmt::Debug for SentryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dsn, environment } = self;
        f.debug_struct("SentryConfig").field("host", &dsn.host()).field("environment", environment).finish()
    }
}

pub struct ErrorReports {
    client: Client,
    throttle: Throttle,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot set up the way to Sentry: {0}")]
pub struct ReportsError(#[from] reqwest::Error);

impl ErrorReports {
    /// Starts the thread that sends reports.
    pub fn start(config: &SentryConfig) -> Result<Self, ReportsError> {
        let http = http_client(&config.dsn.envelope_api_url(), ANSWER_LIMIT).build()?;
        // Sentry collects nothing on its own: no host name, no backtrace, no environment.
        let mut options = ClientOptions::new()
            .default_integrations(false)
            .release(concat!("valetkey@", env!("CARGO_PKG_VERSION")))
            .environment(config.environment.clone())
            .transport(Sender(http));
        options.dsn = Some(config.dsn.clone());
        Ok(Self { client: Client::with_options(options), throttle: Throttle::default() })
    }

    /// Reports an error answer if it is the service's own fault.
    pub fn refused(&self, code: ErrorCode, route: Option<&'static str>, request_id: &RequestId) {
        if !is_own_fault(code) {
            return;
        }
        let Some(times) = self.throttle.due(code.as_str(), Instant::now()) else { return };
        let (status, ..) = code.answer();
        let route = route.unwrap_or("none");
        let event = Event {
            message: Some(format!("Answered {status} {}", code.as_str())),
            fingerprint: fingerprint("refused", code.as_str()),
            transaction: Some(route.to_owned()),
            ..Event::new()
        };
        let tags = [
            ("error_code", code.as_str().to_owned()),
            ("status", status.to_string()),
            ("route", route.to_owned()),
            ("request_id", request_id.to_string()),
            ("times", times.to_string()),
        ];
        self.send(event, tags);
    }

    /// Reports that the upstream refuses the service's key, as the answer to the service's own probe shows. Counts with
    /// the 502s that clients get for a refused key.
    pub fn key_refused(&self, status: u16) {
        let code = ErrorCode::UpstreamCredential.as_str();
        let Some(times) = self.throttle.due(code, Instant::now()) else { return };
        let event = Event {
            message: Some(format!("The upstream answers {status} to a probe of the key")),
            fingerprint: fingerprint("refused", code),
            ..Event::new()
        };
        let tags = [("error_code", code.to_owned()), ("status", status.to_string()), ("times", times.to_string())];
        self.send(event, tags);
    }

    pub fn panicked(&self, panic: &Panic) {
        let Some(times) = self.throttle.due(&panic.location, Instant::now()) else { return };
        let event = Event {
            message: Some(format!("Panicked at {}: {}", panic.location, panic.message)),
            level: Level::Fatal,
            fingerprint: fingerprint("panic", &panic.location),
            ..Event::new()
        };
        let (thread, location) = (panic.thread.clone(), panic.location.clone());
        self.send(event, [("thread", thread), ("location", location), ("times", times.to_string())]);
    }

    /// Sends the queued reports and ends the thread. Waits for `limit`, and for the call in progress.
    pub fn close(&self, limit: Duration) {
        if !self.client.close(Some(limit)) {
            tracing::warn!("Not everything could be reported to Sentry in time");
        }
    }

    fn send<const N: usize>(&self, event: Event<'static>, tags: [(&str, String); N]) {
        let tags = tags.map(|(name, value)| (name.to_owned(), value)).into();
        self.client.capture_event(Event { tags, ..event }, None);
    }
}

/// Sends with an HTTP client that has a timeout.
struct Sender(reqwest::Client);

impl TransportFactory for Sender {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(ReqwestHttpTransportOptions::from(options).with_client(self.0.clone()).build())
    }
}

/// Errors with a 5xx status, without those of the upstream and of an orderly shutdown.
fn is_own_fault(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Internal
            | ErrorCode::Unknown
            | ErrorCode::UpstreamCredential
            | ErrorCode::NotReady
            | ErrorCode::Overloaded
    )
}

/// Sentry groups all events with the same fingerprint into one issue.
fn fingerprint(kind: &'static str, what: &str) -> Cow<'static, [Cow<'static, str>]> {
    Cow::Owned(vec![kind.into(), what.to_owned().into()])
}

/// Timeout of one call.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

//! Reports to Sentry: panics, and errors that the service answers with and that are its own fault.
//!
//! A report says what and where, never what a request said: no header, no body, no token, no device, no address. Sentry's
//! client has a thread and a bounded queue of its own, so nobody waits for a report.

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
use crate::service::base::http_client::side_client;
use crate::transport::request_id::RequestId;
use crate::wire::ErrorCode;
use sentry::types::Dsn;
use std::fmt;

/// The Sentry project.
#[derive(Clone)]
pub struct SentryConfig {
    /// `SENTRY_DSN`: its address and a key that allows to report.
    pub dsn: Dsn,
    /// `SENTRY_ENVIRONMENT`.
    pub environment: String,
}

impl fmt::Debug for SentryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dsn, environment } = self;
        f.debug_struct("SentryConfig").field("host", &dsn.host()).field("environment", environment).finish()
    }
}

/// Reports to one project.
pub struct ErrorReports {
    client: Client,
    throttle: Throttle,
}

/// Why nothing can be reported.
#[derive(Debug, thiserror::Error)]
pub enum ReportsError {
    /// TLS cannot be set up.
    #[error("cannot set up the way to Sentry: {0}")]
    Client(#[from] reqwest::Error),
}

impl ErrorReports {
    /// Starts the thread that sends.
    ///
    /// # Errors
    /// [`ReportsError`]
    pub fn start(config: &SentryConfig) -> Result<Self, ReportsError> {
        let http = side_client(&config.dsn.envelope_api_url(), ANSWER_LIMIT)?;
        // Nothing is collected by itself: no name of the host, no backtrace, no environment.
        let mut options = ClientOptions::new()
            .default_integrations(false)
            .release(concat!("valetkey@", env!("CARGO_PKG_VERSION")))
            .environment(config.environment.clone())
            .transport(Sender(http));
        options.dsn = Some(config.dsn.clone());
        Ok(Self { client: Client::with_options(options), throttle: Throttle::default() })
    }

    /// A request was answered with an error. Only what is the service's own fault is reported.
    pub fn refused(&self, code: ErrorCode, route: Option<&'static str>, request_id: &RequestId) {
        if !is_own_fault(code) {
            return;
        }
        let Some(times) = self.throttle.due(code.as_str(), Instant::now()) else { return };
        let (status, ..) = code.answer();
        let route = route.unwrap_or("none");
        self.send(Event {
            message: Some(format!("Answered {status} {}", code.as_str())),
            fingerprint: fingerprint("refused", code.as_str()),
            transaction: Some(route.to_owned()),
            tags: [
                ("error_code", code.as_str().to_owned()),
                ("status", status.to_string()),
                ("route", route.to_owned()),
                ("request_id", request_id.to_string()),
                ("times", times.to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            ..Event::new()
        });
    }

    /// The service panicked.
    pub fn panicked(&self, panic: &Panic) {
        let Some(times) = self.throttle.due(&panic.location, Instant::now()) else { return };
        self.send(Event {
            message: Some(format!("Panicked at {}: {}", panic.location, panic.message)),
            level: Level::Fatal,
            fingerprint: fingerprint("panic", &panic.location),
            tags: [
                ("thread", panic.thread.clone()),
                ("location", panic.location.clone()),
                ("times", times.to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            ..Event::new()
        });
    }

    /// Sends what is queued and ends the thread. Waits for `limit`, and for the call that is in progress.
    pub fn close(&self, limit: Duration) {
        if !self.client.close(Some(limit)) {
            tracing::warn!("Not everything could be reported to Sentry in time");
        }
    }

    fn send(&self, event: Event<'static>) {
        self.client.capture_event(event, None);
    }
}

/// Sends by an HTTP client of ours, which does not wait for ever.
struct Sender(reqwest::Client);

impl TransportFactory for Sender {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(ReqwestHttpTransportOptions::from(options).with_client(self.0.clone()).build())
    }
}

/// Of the errors with a 5xx, those that are not the upstream's and not an orderly end.
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

/// Sentry makes one issue of all events with the same.
fn fingerprint(kind: &'static str, what: &str) -> Cow<'static, [Cow<'static, str>]> {
    Cow::Owned(vec![kind.into(), what.to_owned().into()])
}

/// For one call.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

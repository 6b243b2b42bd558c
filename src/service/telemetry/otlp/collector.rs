//! The HTTP client of the collector: OTLP over HTTP, in protobuf.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::settings::OtlpConfig;
use crate::service::base::http_client::http_client;

pub(super) struct Collector {
    http: Client,
    headers: HeaderMap,
    pub(super) traces: Url,
    pub(super) metrics: Url,
}

/// Why the collector did not take a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum CollectorError {
    /// The collector cannot be reached or did not answer.
    #[error("no answer")]
    NoAnswer(#[source] reqwest::Error),
    #[error("it answered {status}")]
    Status {
        status: StatusCode,
        /// How long the collector wants the client to wait.
        retry_after: Option<Duration>,
    },
    /// The service ended before the answer.
    #[error("no answer before the end")]
    Late,
}

impl Collector {
    /// Opens no connection yet.
    pub(super) fn new(config: &OtlpConfig) -> reqwest::Result<Self> {
        let (traces, metrics) = (config.endpoint.join("/v1/traces"), config.endpoint.join("/v1/metrics"));
        Ok(Self { http: http_client(&traces, ANSWER_LIMIT).build()?, headers: config.headers.clone(), traces, metrics })
    }

    /// Sends one message to one of the two addresses and returns the body of the answer.
    pub(super) async fn post(&self, url: Url, body: Bytes) -> Result<Bytes, CollectorError> {
        let request = self.http.post(url).headers(self.headers.clone()).header(CONTENT_TYPE, "application/x-protobuf");
        let no_answer = |error: reqwest::Error| CollectorError::NoAnswer(error.without_url());
        let response = request.body(body).send().await.map_err(no_answer)?;
        let status = response.status();
        if !status.is_success() {
            return Err(CollectorError::Status { status, retry_after: retry_after(&response) });
        }
        read(response).await.map_err(no_answer)
    }
}

impl CollectorError {
    /// How long to wait before the message is sent again; `None` when another attempt is pointless. `pause` applies
    /// when the collector names no time.
    pub(super) fn worth_waiting(&self, pause: Duration) -> Option<Duration> {
        match self {
            Self::NoAnswer(_) => Some(pause),
            // The statuses that OTLP calls retryable.
            Self::Status { status, retry_after } if matches!(status.as_u16(), 429 | 502 | 503 | 504) => {
                Some(retry_after.unwrap_or(pause).min(LONGEST_PAUSE))
            }
            Self::Status { .. } | Self::Late => None,
        }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    // A date instead of seconds is ignored; the usual pause applies.
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Reads an answer of at most [`MOST_ANSWER`] bytes.
async fn read(mut response: Response) -> reqwest::Result<Bytes> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        body.extend_from_slice(&piece);
        if body.len() > MOST_ANSWER {
            return Ok(Bytes::new());
        }
    }
    Ok(body.into())
}

/// As in OpenTelemetry's own exporters.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Upper limit of a `Retry-After` of the collector.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const MOST_ANSWER: usize = 64 << 10;

//! The upstream of the service (the Anthropic API), and the only file that puts the real key into a request.
//!
//! The pipeline, the batches and the key probe build their requests here. An answer that repeats the key passes the
//! [`KeyMask`], the other file of the relay that reads it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Version};

use super::key_mask::KeyMask;
use crate::secret::Secret;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::Connector;
use crate::transport::connect::HttpVersion;
use crate::transport::headers::strip_request;
use crate::transport::origin::Origin;
use crate::transport::problem::Problem;
use crate::transport::tls::{TlsSetupError, tls_config};
use crate::transport::upstream::{Upstream, UpstreamError};
use crate::wire::ErrorCode;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    pub origin: Origin,
    /// The secret that this product exists to keep.
    pub key: Secret,
    pub auth: UpstreamAuth,
    pub version: HttpVersion,
    /// Further roots to trust, PEM.
    pub extra_roots: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// Until the response's head.
    pub first_byte_timeout: Duration,
    /// The longest silence inside a response.
    pub idle_timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamAuth {
    /// `x-api-key`, as in Anthropic's own samples.
    ApiKey,
    /// `Authorization: Bearer`, as gateways ask for it.
    Bearer,
}

/// Turns clients' requests into upstream requests.
pub(crate) struct KeySwap {
    header: HeaderName,
    /// Marked as sensitive, so that no `Debug` shows it.
    credential: HeaderValue,
    pub mask: KeyMask,
}

impl KeySwap {
    /// # Panics
    /// Never: the configuration was checked to hold a key that is a valid header value.
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        let key = config.key.expose();
        let (header, text) = match config.auth {
            UpstreamAuth::ApiKey => (HeaderName::from_static("x-api-key"), key.to_owned()),
            UpstreamAuth::Bearer => (AUTHORIZATION, format!("Bearer {key}")),
        };
        let mut credential = HeaderValue::try_from(text).expect("checked by the configuration");
        credential.set_sensitive(true);
        Self { header, credential, mask: KeyMask::new(&config.key) }
    }

    /// The client's request with the real key in place of the client's credentials.
    pub(crate) fn outbound(&self, mut parts: Parts, body: BufferedBody, upstream: &Upstream) -> Request<BufferedBody> {
        strip_request(&mut parts.headers);
        parts.headers.insert(self.header.clone(), self.credential.clone());
        parts.uri = upstream.origin().retarget(&parts.uri);
        parts.version = Version::HTTP_11;
        // A chunked body that is buffered now is sent with its length; hyper writes the header.
        Request::from_parts(parts, body)
    }
}

/// The connector to the upstream of one worker.
pub(crate) fn connector(config: &UpstreamConfig) -> Result<Connector, TlsSetupError> {
    let tls = if config.origin.is_tls() { Some(tls_config(config.extra_roots.as_deref())?) } else { None };
    let origin = Arc::new(config.origin.clone());
    Ok(Connector::new(origin, tls, config.version, config.connect_timeout).with_system_proxy())
}

/// The answer to a client when there is no response. The exact error goes to the log only.
pub(crate) fn problem(error: &UpstreamError) -> Problem {
    use crate::transport::connect::ConnectError;
    let (code, message) = match error {
        UpstreamError::Body(error) => return error.clone().into(),
        UpstreamError::Connect(ConnectError::Timeout(_)) | UpstreamError::FirstByte(_) => {
            (ErrorCode::UpstreamTimeout, "The upstream did not answer in time")
        }
        UpstreamError::Connect(_) => (ErrorCode::UpstreamUnreachable, "The upstream cannot be reached"),
        UpstreamError::Dropped(_) => {
            (ErrorCode::UpstreamDropped, "The upstream closed the connection before it answered")
        }
        UpstreamError::Invalid(_) => (ErrorCode::UpstreamInvalid, "The upstream's answer is not valid HTTP"),
    };
    tracing::warn!(error = error as &dyn std::error::Error, "The upstream gave no response");
    Problem::new(code, message).retry_after(RETRY_AFTER)
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

//! The way to the Anthropic API, and the only file that reads the real key.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, Version, response};
use hyper::ext::ReasonPhrase;
use memchr::memmem::Finder;

use crate::secret::Secret;
use crate::transport::connect::Connector;
use crate::transport::connect::HttpVersion;
use crate::transport::headers::strip_request;
use crate::transport::hold::Held;
use crate::transport::origin::Origin;
use crate::transport::problem::Problem;
use crate::transport::tls::{TlsSetupError, tls_config};
use crate::transport::upstream::{Upstream, UpstreamBody, UpstreamError};
use crate::wire::ErrorCode;
use std::path::PathBuf;

/// Where requests go and with which key.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// `ANTHROPIC_BASE_URL`.
    pub origin: Origin,
    /// `ANTHROPIC_API_KEY`: the secret that this product exists to keep.
    pub key: Secret,
    /// `UPSTREAM_AUTH_HEADER`.
    pub auth: UpstreamAuth,
    /// `UPSTREAM_HTTP_VERSION`.
    pub version: HttpVersion,
    /// `UPSTREAM_CA_FILE`: further roots to trust, PEM.
    pub extra_roots: Option<PathBuf>,
    /// `UPSTREAM_CONNECT_TIMEOUT`.
    pub connect_timeout: Duration,
    /// `UPSTREAM_FIRST_BYTE_TIMEOUT`: until the response's head.
    pub first_byte_timeout: Duration,
    /// `UPSTREAM_IDLE_TIMEOUT`: the longest silence inside a response.
    pub idle_timeout: Duration,
}

/// Which header carries the real key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamAuth {
    /// `x-api-key`, as in Anthropic's own samples.
    ApiKey,
    /// `Authorization: Bearer`.
    Bearer,
}

/// Makes upstream requests out of clients' requests.
pub(crate) struct KeySwap {
    header: HeaderName,
    /// Marked as sensitive, so that no `Debug` shows it.
    credential: HeaderValue,
    /// Finds the key in what came back; none for a key so short that it could be anything.
    key: Option<Finder<'static>>,
}

impl KeySwap {
    /// Uses the key and the header of `config`.
    ///
    /// # Panics
    /// Never: the configuration was checked to hold a key that can stand in a header.
    #[must_use]
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        let key = config.key.expose();
        let (header, text) = match config.auth {
            UpstreamAuth::ApiKey => (HeaderName::from_static("x-api-key"), key.to_owned()),
            UpstreamAuth::Bearer => (AUTHORIZATION, format!("Bearer {key}")),
        };
        let mut credential = HeaderValue::try_from(text).expect("checked by the configuration");
        credential.set_sensitive(true);
        let key = (key.len() >= SHORTEST_KEY).then(|| Finder::new(key).into_owned());
        Self { header, credential, key }
    }

    /// Removes everything from the head of a response that holds the real key: some gateways and debugging servers send
    /// the headers of a request back, under their own names or others.
    pub(crate) fn strip_key(&self, head: &mut response::Parts) {
        let Some(key) = &self.key else { return };
        let holds_key = |text: &[u8]| key.find(text).is_some();
        let with_key = head.headers.iter().filter(|(_, value)| holds_key(value.as_bytes()));
        let found: Vec<_> = with_key.map(|(name, _)| name.clone()).collect();
        for name in found {
            head.headers.remove(name);
        }
        if head.extensions.get::<ReasonPhrase>().is_some_and(|reason| holds_key(reason.as_bytes())) {
            head.extensions.remove::<ReasonPhrase>();
        }
    }

    /// The client's request with the real key in place of its own credentials.
    #[must_use]
    pub(crate) fn outbound(&self, mut parts: Parts, body: Held, upstream: &Upstream) -> Request<Held> {
        strip_request(&mut parts.headers);
        parts.headers.insert(self.header.clone(), self.credential.clone());
        parts.uri = upstream.origin().retarget(&parts.uri);
        parts.version = Version::HTTP_11;
        // A body that was sent chunked and is now held is sent with its length; hyper writes the header.
        Request::from_parts(parts, body)
    }
}

/// Connections to the upstream for one worker.
///
/// # Errors
/// [`TlsSetupError`]
pub(crate) fn connector(config: &UpstreamConfig) -> Result<Connector, TlsSetupError> {
    let tls = if config.origin.is_tls() { Some(tls_config(config.extra_roots.as_deref())?) } else { None };
    let origin = Arc::new(config.origin.clone());
    Ok(Connector::new(origin, tls, config.version, config.connect_timeout).with_system_proxy())
}

/// Asks the upstream for one model with the real key: the cheapest request for which the key has to be good.
///
/// # Errors
/// [`UpstreamError`]
///
/// # Panics
/// Never: the request is a constant.
pub(crate) async fn ask(
    config: &UpstreamConfig,
    connector: Connector,
) -> Result<Response<UpstreamBody>, UpstreamError> {
    let upstream = Upstream::new(connector);
    let request = Request::get("/v1/models?limit=1").header("anthropic-version", "2023-06-01").body(());
    let (parts, ()) = request.expect("a constant request").into_parts();
    let request = KeySwap::new(config).outbound(parts, Held::default(), &upstream);
    upstream.send(request, config.first_byte_timeout.min(ASK_LIMIT)).await
}

/// What the client is told when there is no response. What exactly went wrong is for the log.
#[must_use]
pub(crate) fn problem(error: &UpstreamError) -> Problem {
    use crate::transport::connect::ConnectError;
    let (code, message) = match error {
        UpstreamError::Body(hold) => return hold.clone().into(),
        UpstreamError::Connect(ConnectError::Timeout(_)) | UpstreamError::FirstByte(_) => {
            (ErrorCode::UpstreamTimeout, "The upstream did not answer in time")
        }
        UpstreamError::Connect(_) => (ErrorCode::UpstreamUnreachable, "The upstream cannot be reached"),
        UpstreamError::Dropped(_) => {
            (ErrorCode::UpstreamUnreachable, "The upstream closed the connection before it answered")
        }
        UpstreamError::Invalid(_) => (ErrorCode::UpstreamInvalid, "The upstream's answer is not valid HTTP"),
    };
    tracing::warn!(error = error as &dyn std::error::Error, "The upstream gave no response");
    Problem::new(code, message).retry_after(RETRY_AFTER)
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a person who asks is kept waiting for the head of the answer.
const ASK_LIMIT: Duration = Duration::from_secs(15);
/// Keys of the API have more than a hundred characters.
const SHORTEST_KEY: usize = 16;

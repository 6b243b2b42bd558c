//! The upstream of the service (the Anthropic API), and the only file that reads the real key.
//!
//! The pipeline, the batches and the doctor build their requests here. A response that repeats the key loses the headers
//! that hold it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, Version, response};
use hyper::ext::ReasonPhrase;
use memchr::memmem::Finder;

use crate::secret::Secret;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::Connector;
use crate::transport::connect::HttpVersion;
use crate::transport::headers::strip_request;
use crate::transport::origin::Origin;
use crate::transport::problem::Problem;
use crate::transport::tls::{TlsSetupError, tls_config};
use crate::transport::upstream::{Upstream, UpstreamBody, UpstreamError};
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
    /// Finds the key in responses; `None` for a key so short that any text could contain it.
    key: Option<Finder<'static>>,
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
        let key = (key.len() >= SHORTEST_KEY).then(|| Finder::new(key).into_owned());
        Self { header, credential, key }
    }

    /// Removes the real key from the head of a response: some gateways and debugging servers echo the headers of a
    /// request, under their own names or others.
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

/// Asks the upstream for one model: the cheapest request that needs a good key.
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
    let request = KeySwap::new(config).outbound(parts, BufferedBody::default(), &upstream);
    upstream.send(request, config.first_byte_timeout.min(ASK_LIMIT)).await
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

/// How long a person who runs a check waits for the head of the answer.
const ASK_LIMIT: Duration = Duration::from_secs(15);
/// Keys of the API have more than a hundred characters.
const SHORTEST_KEY: usize = 16;

//! The upstream of the service (the Anthropic API), and the only file that puts the real key into a request.
//!
//! The pipeline, the batches and the key probe build their requests here. An answer that repeats the key passes the
//! [`KeyMask`], the other file of the relay that reads it.

use std::fmt::Display;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Version};
use tokio::sync::Notify;

use super::key_mask::KeyMask;
use super::key_source::KeySource;
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

#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    pub origin: Origin,
    /// Where the real key comes from.
    pub key: KeySource,
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

/// Turns clients' requests into upstream requests. All parts share it. A new key is a pointer that is swapped: a request
/// that is open keeps the key that it went up with, and none waits.
pub(crate) struct KeySwap {
    header: HeaderName,
    auth: UpstreamAuth,
    current: ArcSwap<KeyInUse>,
    replaced: Notify,
    refused: Notify,
}

pub(crate) struct KeyInUse {
    /// Marked as sensitive, so that no `Debug` shows it.
    credential: HeaderValue,
    pub mask: KeyMask,
    /// This key, then those that it has replaced, the last one first.
    keys: Vec<Secret>,
}

impl KeySwap {
    /// Begins with `key`, which can stand in a header.
    pub(crate) fn new(auth: UpstreamAuth, key: Secret) -> Self {
        let header = match auth {
            UpstreamAuth::ApiKey => HeaderName::from_static("x-api-key"),
            UpstreamAuth::Bearer => AUTHORIZATION,
        };
        let current = ArcSwap::from_pointee(KeyInUse::new(auth, vec![key]));
        Self { header, auth, current, replaced: Notify::new(), refused: Notify::new() }
    }

    /// Requests from now on go up with `key`, which is from `source`.
    pub(crate) fn replace(&self, key: &Secret, source: &impl Display) {
        let old = self.current.load();
        let is_new = |held: &&Secret| !held.matches(key.expose().as_bytes());
        if old.keys.first().is_some_and(|held| !is_new(&held)) {
            return;
        }
        let earlier = old.keys.iter().filter(is_new).take(MOST_EARLIER);
        let keys = iter::once(key).chain(earlier).cloned().collect();
        self.current.store(Arc::new(KeyInUse::new(self.auth, keys)));
        self.replaced.notify_one();
        tracing::info!("The real key was replaced by one that is {source}");
    }

    /// The key that requests go up with now.
    pub(crate) fn in_use(&self) -> Guard<Arc<KeyInUse>> {
        self.current.load()
    }

    /// Waits for a new key.
    pub(super) async fn until_replaced(&self) {
        self.replaced.notified().await;
    }

    /// The upstream refused the key. Waits for nothing.
    pub(super) fn refuse(&self) {
        self.refused.notify_one();
    }

    /// Waits until the upstream refuses the key.
    pub(super) async fn until_refused(&self) {
        self.refused.notified().await;
    }

    /// The client's request with the real key in place of the client's credentials.
    pub(crate) fn outbound(&self, mut parts: Parts, body: BufferedBody, upstream: &Upstream) -> Request<BufferedBody> {
        strip_request(&mut parts.headers);
        parts.headers.insert(self.header.clone(), self.in_use().credential.clone());
        parts.uri = upstream.origin().retarget(&parts.uri);
        parts.version = Version::HTTP_11;
        // A chunked body that is buffered now is sent with its length; hyper writes the header.
        Request::from_parts(parts, body)
    }
}

impl KeyInUse {
    /// # Panics
    /// Never: the first of `keys` was checked where it was read.
    fn new(auth: UpstreamAuth, keys: Vec<Secret>) -> Self {
        let key = keys.first().map(Secret::expose).unwrap_or_default();
        let text = match auth {
            UpstreamAuth::ApiKey => key.to_owned(),
            UpstreamAuth::Bearer => format!("Bearer {key}"),
        };
        let mut credential = HeaderValue::try_from(text).expect("the source of the key has checked it");
        credential.set_sensitive(true);
        Self { credential, mask: KeyMask::new(&keys), keys }
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

/// Replaced keys that are still masked. No request is open for so many replacements.
const MOST_EARLIER: usize = 8;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a63_a_replaced_key_is_masked_beside_the_new_one_and_no_longer_sent() {
        let keys = ["sk-ant-api03-canary-one", "sk-ant-api03-canary-two", "sk-ant-api03-canary-one"];
        let swap = KeySwap::new(UpstreamAuth::Bearer, Secret::new(keys[0]));
        for key in keys {
            swap.replace(&Secret::new(key), &"a test's");
            let in_use = swap.in_use();
            assert_eq!(in_use.credential, format!("Bearer {key}"));
            assert!(!format!("{:?}", in_use.credential).contains("canary"));
        }
        let in_use = swap.in_use();
        assert_eq!(in_use.keys.len(), 2, "each once");
        let (mut head, ()) = http::Response::builder().status(400).body(()).unwrap().into_parts();
        let text = Bytes::from(keys.concat());
        let masked = in_use.mask.whole(&mut head, text.clone()).unwrap();
        assert_eq!(masked, "*".repeat(text.len()));
    }

    #[test]
    fn the_keys_that_are_masked_do_not_grow_without_end() {
        let swap = KeySwap::new(UpstreamAuth::ApiKey, Secret::new("key"));
        for number in 0..100 {
            swap.replace(&Secret::new(format!("key-{number}")), &"a test's");
        }
        assert_eq!((swap.in_use().keys.len(), swap.in_use().keys[0].expose()), (1 + MOST_EARLIER, "key-99"));
    }
}

//! Calls to the upstream whose answers the service reads itself: to learn ids, to rewrite an address, or to bill.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version, response};
use serde::Deserialize;

use crate::service::meter::usage::Reference;
use crate::service::relay::encoded_error::in_place;
use crate::service::relay::key_probe::KeyProbe;
use crate::service::relay::key_swap::UpstreamConfig;
use crate::service::relay::key_swap::{KeySwap, problem};
use crate::service::relay::whole_body::{next_piece, whole_body};
use crate::transport::buffered_body::BufferedBody;
use crate::transport::headers::strip_upstream_response;
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::transport::upstream::{Upstream, UpstreamBody};
use crate::wire::names::REQUEST_ID_HEADER;

/// Makes calls with the real key. Clones share it.
#[derive(Clone)]
pub(crate) struct Calls(Arc<CallSettings>);

struct CallSettings {
    swap: Arc<KeySwap>,
    probe: Arc<KeyProbe>,
    first_byte: Duration,
    idle_timeout: Duration,
}

/// An answer that was read whole.
#[derive(Clone)]
pub(crate) struct Whole {
    pub head: response::Parts,
    pub body: Bytes,
}

impl Calls {
    pub(crate) fn new(config: &UpstreamConfig, swap: Arc<KeySwap>, probe: Arc<KeyProbe>) -> Self {
        let (first_byte, idle_timeout) = (config.first_byte_timeout, config.idle_timeout);
        Self(Arc::new(CallSettings { swap, probe, first_byte, idle_timeout }))
    }

    /// Makes a call whose answer is streamed.
    pub(super) async fn open(
        &self,
        upstream: &Upstream,
        parts: Parts,
        body: BufferedBody,
    ) -> Result<Response<UpstreamBody>, Problem> {
        let request = self.0.swap.outbound(parts, body, upstream);
        upstream.send(request, self.0.first_byte).await.map_err(|error| problem(&error))
    }

    /// Makes a call whose answer is short, and asks for it uncompressed. The real key is masked in an error.
    pub(crate) async fn whole(
        &self,
        upstream: &Upstream,
        mut parts: Parts,
        body: BufferedBody,
    ) -> Result<Whole, Problem> {
        parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let (mut head, mut rest) = self.open(upstream, parts, body).await?.into_parts();
        let CallSettings { swap, probe, idle_timeout, .. } = &*self.0;
        match head.status {
            StatusCode::UNAUTHORIZED => swap.refuse(),
            StatusCode::FORBIDDEN => probe.suspect(),
            _ => {}
        }
        swap.in_use().mask.strip_head(&mut head);
        let body = whole_body(&mut rest, *idle_timeout).await?;
        let body = swap.in_use().mask.whole(&mut head, body).unwrap_or_else(|_| in_place(&mut head));
        Ok(Whole { head, body })
    }

    /// The next bytes of an answer; `None` at its end.
    pub(super) async fn next(&self, body: &mut UpstreamBody) -> Result<Option<Bytes>, Problem> {
        next_piece(body, self.0.idle_timeout).await
    }
}

impl Whole {
    pub(crate) fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The upstream's request id.
    pub(super) fn request_id(&self) -> Option<String> {
        self.head.headers.get(REQUEST_ID_HEADER)?.to_str().ok().map(str::to_owned)
    }

    /// The id of the object that the body describes, if it is safe in a path.
    pub(super) fn object_id(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Object {
            id: String,
        }
        let Object { id } = serde_json::from_slice(&self.body).ok()?;
        Reference::is_object_id(&id).then_some(id)
    }

    /// The answer as a response to the client.
    pub(crate) fn into_response(self, id: &RequestId) -> Response<Reply> {
        let Self { mut head, body } = self;
        strip_upstream_response(&mut head.headers);
        // The body may have changed its length.
        head.headers.remove(CONTENT_LENGTH);
        head.headers.entry(REQUEST_ID_HEADER).or_insert_with(|| id.header());
        head.headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        head.version = Version::HTTP_11;
        Response::from_parts(head, Reply::from(body))
    }
}

/// The head of a request of our own that follows a client's request: same version and betas, another target, no body.
///
/// # Panics
/// Never: a target is made of our paths and of ids that were checked when they were recorded.
pub(super) fn follow_up(client: &Parts, method: Method, target: &str) -> Parts {
    let mut parts = client.clone();
    parts.method = method;
    parts.uri = Uri::try_from(target).expect("our paths and checked ids make a target");
    let ends = |name: &HeaderName| name.as_str().starts_with("content-") || OF_ONE_REQUEST.contains(&name.as_str());
    let ended: Vec<_> = parts.headers.keys().filter(|name| ends(name)).cloned().collect();
    for name in ended {
        parts.headers.remove(name);
    }
    parts
}

/// The head of a `GET` of our own that follows no client's request.
///
/// # Panics
/// As [`follow_up`].
pub(super) fn of_our_own(target: &str) -> Parts {
    let request = Request::get(target).header("anthropic-version", API_VERSION);
    let request = request.header(ACCEPT_ENCODING, "identity").body(());
    request.expect("our paths and checked ids make a target").into_parts().0
}

/// Headers that describe only the request they came with.
const OF_ONE_REQUEST: [&str; 6] =
    ["transfer-encoding", "range", "if-none-match", "if-modified-since", "if-range", "idempotency-key"];

/// Version of the API whose batches are read here.
const API_VERSION: &str = "2023-06-01";

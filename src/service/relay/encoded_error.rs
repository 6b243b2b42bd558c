//! An error of the upstream in an encoded body: the real key shows only when the whole body is decoded.

use std::pin::pin;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, response};

use super::answer::{Answered, Answers};
use super::usage_tap::UsageTap;
use super::whole_body::whole_body;
use crate::service::govern::breaker::UpstreamOutcome;
use crate::service::govern::revocation::revoked;
use crate::service::meter::usage::Ended;
use crate::transport::problem::Problem;
use crate::transport::relay::{Ending, Tap};
use crate::transport::reply::Reply;
use crate::transport::upstream::UpstreamBody;
use crate::wire::ErrorBody;
use crate::wire::names::REQUEST_ID_HEADER;

impl Answers {
    /// Reads the error whole and answers with the upstream's bytes, or with the decoded ones if the key has to be masked
    /// in them. If the body cannot be decoded, the client gets [a body of ours](in_place) with the upstream's head.
    pub(crate) async fn relay_encoded_error(
        &self,
        response: Response<UpstreamBody>,
        answered: Answered<'_>,
    ) -> Result<Response<Reply>, Problem> {
        let Answered { id, flight, .. } = answered;
        let (mut head, mut body) = response.into_parts();
        let mut flight = self.read_head(&mut head, id, flight)?;
        // The upstream has answered, whatever can be read of it.
        flight.upstream_did(UpstreamOutcome::Answered(head.status));
        let signal = flight.revoke_signal();
        let body = match signal.unless(pin!(whole_body(&mut body, self.idle_timeout))).await {
            Some(Ok(body)) => body,
            Some(Err(problem)) => return Err(flight.fail(Ended::Error, problem)),
            None => return Err(flight.fail(Ended::Revoked, revoked())),
        };
        let body = self.swap.in_use().mask.whole(&mut head, body).unwrap_or_else(|_| in_place(&mut head));
        UsageTap::new(flight, head.status, &head.headers, false).end(Ending::Complete);
        Ok(Response::from_parts(head, Reply::from(body)))
    }
}

/// The body in place of an error's that cannot be decoded: it could hold the real key. Status, `retry-after` and the like
/// stay, so that a client tries again when and if the upstream asks for it.
///
/// # Panics
/// Never: an error body is plain JSON.
pub(crate) fn in_place(head: &mut response::Parts) -> Bytes {
    let status = head.status.as_u16();
    tracing::warn!(status, "The upstream's error has a body that cannot be decoded");
    head.headers.remove(CONTENT_ENCODING);
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let id = head.headers.get(REQUEST_ID_HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let message = format!("The upstream answers {status}, and the body of its answer cannot be decoded");
    let body = ErrorBody::of_status(status, message, id);
    serde_json::to_vec(&body).expect("an error body is plain JSON").into()
}

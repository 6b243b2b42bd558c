//! An error of the upstream in an encoded body: the real key shows only when the whole body is decoded.

use std::pin::pin;

use http::Response;

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
use crate::wire::ErrorCode;

impl Answers {
    /// Reads the error whole and answers with the upstream's bytes, or with the decoded ones if the key has to be masked
    /// in them. If the body cannot be decoded, the client gets a [`Problem`] in its place.
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
        match self.swap.mask.whole(&mut head, body) {
            Ok(body) => {
                UsageTap::new(flight, head.status, &head.headers, false).end(Ending::Complete);
                Ok(Response::from_parts(head, Reply::from(body)))
            }
            Err(_) => Err(flight.fail(Ended::Error, unreadable(head.status.as_u16()))),
        }
    }
}

/// The answer in place of an error whose body cannot be decoded: it could hold the real key.
pub(crate) fn unreadable(status: u16) -> Problem {
    tracing::warn!(status, "The upstream's error has a body that cannot be decoded");
    let message = format!("The upstream answers {status}, and the body of its answer cannot be decoded");
    Problem::new(ErrorCode::UpstreamInvalid, message)
}

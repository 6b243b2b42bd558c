//! The log line of a request that is not relayed. A relayed one has its usage record.

use http::{Method, Response, Uri};
use tokio::time::Instant;

use crate::clock::millis;
use crate::service::http::client_address::ClientAddress;
use crate::service::http::routes::Route;
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::wire::names::REQUEST_ID_HEADER;

/// What is known of the request before its answer.
pub(crate) struct RequestLine {
    pub method: Method,
    pub target: Uri,
    pub peer: ClientAddress,
    pub id: RequestId,
    pub at: Instant,
}

impl RequestLine {
    pub(crate) fn answered(&self, route: Option<Route>, mut response: Response<Reply>) -> Response<Reply> {
        let is_probe = matches!(route, Some(Route::Health | Route::Ready | Route::Hello));
        let is_relayed = matches!(route, Some(Route::Relay(_)));
        if !is_relayed {
            response.headers_mut().insert(REQUEST_ID_HEADER, self.id.header());
        }
        let status = response.status().as_u16();
        let total_ms = millis(self.at.elapsed());
        if is_probe {
            tracing::debug!(request_id = %self.id, method = %self.method, path = self.target.path(), status, total_ms, "Answered a probe");
        } else if !is_relayed {
            tracing::info!(request_id = %self.id, method = %self.method, path = self.target.path(), peer = %self.peer, status, total_ms, "Answered a request");
        }
        response
    }

    pub(crate) fn refused(&self, problem: Problem) -> Response<Reply> {
        let (status, ..) = problem.code.answer();
        let total_ms = millis(self.at.elapsed());
        tracing::info!(
            request_id = %self.id, method = %self.method, path = self.target.path(), peer = %self.peer, status, total_ms,
            error_code = problem.code.as_str(), "Refused a request"
        );
        problem.into_response(&self.id)
    }
}

//! The first stage of a relayed request: token, overrides and revocations, where the device is seen, limits, betas. It
//! opens the guard of the request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::time::Instant;

use super::feature_check::judge_betas;
use super::in_flight::InFlight;
use super::route::RelayRoute;
use super::worker::Worker;
use crate::clock::Clock;
use crate::service::govern::access::{AccessPolicy, AdmittedCaller};
use crate::service::govern::leak::Leaks;
use crate::service::govern::limits::{Allowance, DeviceLimits, LimitExceededError, Limiter};
use crate::service::store::database::UsageWriter;
use crate::service::token::verify::Auth;
use crate::transport::client_body::ClientBody;
use crate::transport::problem::Problem;
use crate::transport::request_id::RequestId;
use crate::wire::ErrorCode;

/// A request before its admission.
pub(crate) struct Arrival {
    /// The head, and the body, of which nothing is read yet.
    pub request: Request<ClientBody>,
    pub client: IpAddr,
    pub route: RelayRoute,
    pub id: RequestId,
    /// When the head arrived.
    pub at: Instant,
}

/// Shared by all workers.
pub(crate) struct Admission {
    pub auth: Arc<Auth>,
    pub access: AccessPolicy,
    pub leaks: Arc<Leaks>,
    pub limiter: Limiter,
    pub usage: Arc<UsageWriter>,
    pub clock: Arc<dyn Clock>,
}

impl Admission {
    /// Admits one request, with the overrides and revocations in force. A request that is refused here does not count
    /// against the device's limits; a request whose caller is revoked while it waits for its permit does, and so does one
    /// that names a beta which its device may not use.
    pub(crate) async fn admit(&self, arrival: &Arrival, worker: &Worker) -> Result<InFlight, Problem> {
        let headers = arrival.request.headers();
        let signed = self.auth.admit(headers, &worker.token_cache)?;
        if !self.usage.has_room() {
            return Err(Problem::new(ErrorCode::NotReady, NO_ROOM).retry_after(NO_ROOM_RETRY));
        }
        let seen = self.leaks.look(&signed, arrival.client, headers);
        let AdmittedCaller { caller, limits, features } = self.access.admit(Arc::clone(&signed))?;
        if let Some(seen) = &seen {
            self.leaks.sight(caller.device(), seen);
        }
        let permit = self.limiter.admit(caller.device(), &limits, arrival.route.is_charged()).await;
        let permit = permit.map_err(|denied| self.denied(denied, &limits))?;
        let open = worker.open.open(Arc::clone(&signed), Arc::clone(&caller));
        let flight = InFlight::new(caller, features, open, permit);
        // A revocation between the policy and the entry in the open requests would miss the revoke signal.
        self.access.revocations.judge(signed.claims())?;
        self.access.revocations.judge(flight.caller().claims())?;
        if let Some(features) = flight.features() {
            judge_betas(features, headers)?;
        }
        Ok(flight)
    }

    fn denied(&self, denied: LimitExceededError, limits: &DeviceLimits) -> Problem {
        let mut problem = Problem::from(denied);
        problem.headers.extend(Allowance::none_of(denied.limit, limits).headers(self.clock.now()));
        problem
    }
}

const NO_ROOM: &str = "The service has no room to record the usage of further requests";
const NO_ROOM_RETRY: Duration = Duration::from_secs(10);

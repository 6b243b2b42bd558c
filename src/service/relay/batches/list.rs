//! Lists the objects of a device.
//!
//! The ledger makes the page, because it alone knows the order, and each object on the page is fetched by its id.
//! Filtering the upstream's own list would cost as many calls as all devices together have objects, and could not say
//! whether more follow. Here a page costs one call per object, so it has at most [`MOST_ON_PAGE`](query::MOST_ON_PAGE) objects, whatever
//! `limit` says. `has_more` and `last_id` lead the SDKs to the rest.

mod query;

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tokio::task::JoinSet;

use self::query::Query;
use super::call::{Whole, follow_up};
use super::{BatchRequest, Batches, answered, results_url};
use crate::service::govern::revocation::revoked;
use crate::service::meter::usage::Ended;
use crate::service::relay::ledger::unknown;
use crate::service::relay::list_page::list_page;
use crate::service::relay::route::{BATCHES, FILES};
use crate::service::store::database::{ObjectKind, OwnedObject, OwnedPage, PageStart};
use crate::transport::buffered_body::BufferedBody;
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::upstream::Upstream;
use crate::wire::names::REQUEST_ID_HEADER;
use crate::wire::{DeviceId, ErrorCode};

/// Objects of the page, in its direction.
#[derive(Default)]
struct ListedObjects {
    objects: Vec<(String, Bytes)>,
    has_more: bool,
}

enum ListingError {
    /// An error of the service.
    Problem(Problem),
    /// An error answer of the upstream, which becomes the answer.
    Answer(Whole),
}

impl From<Problem> for ListingError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

struct Listing<'a> {
    objects: &'a Batches,
    kind: ObjectKind,
    device: &'a DeviceId,
    parts: &'a Parts,
    query: &'a Query,
    upstream: &'a Upstream,
}

impl Batches {
    pub(super) async fn list(&self, request: BatchRequest<'_>) -> Result<Response<Reply>, Problem> {
        let BatchRequest { route, parts, id, at, mut flight, worker, .. } = request;
        let (kind, signal, caller) = (route.kind(), flight.revoke_signal(), Arc::clone(flight.caller()));
        let query = Query::read(parts.uri.query())?;
        let device = caller.device();
        let first = self.ledger.page(device, kind, query.start.clone(), query.limit).await?;
        let first = first.ok_or_else(|| unknown(kind, query.start_id()))?;
        self.open_record(&mut flight, route, &id, at);
        let (parts, query, upstream) = (&parts, &query, &worker.upstream);
        let listing = Listing { objects: self, kind, device, parts, query, upstream };
        match signal.unless(pin!(listing.fill(first))).await {
            Some(Ok(found)) => {
                flight.answered(StatusCode::OK.as_u16(), None);
                flight.finish(Ended::Complete);
                let mut response = found.page(query);
                response.headers_mut().insert(REQUEST_ID_HEADER, id.header());
                Ok(response)
            }
            Some(Err(ListingError::Answer(whole))) => answered(whole, flight, &id),
            Some(Err(ListingError::Problem(problem))) => Err(flight.fail(Ended::Error, problem)),
            None => Err(flight.fail(Ended::Revoked, revoked())),
        }
    }
}

impl Listing<'_> {
    /// Fetches the objects of the page. Objects that the upstream no longer knows are replaced by later ones.
    async fn fill(&self, mut page: OwnedPage) -> Result<ListedObjects, ListingError> {
        let mut found = ListedObjects::default();
        for _ in 0..ROUNDS {
            let last = page.objects.last().map(|object| object.id.clone());
            found.has_more = page.has_more;
            self.fetch(page.objects, &mut found.objects).await?;
            let missing = self.query.limit.saturating_sub(u32::try_from(found.objects.len()).unwrap_or(u32::MAX));
            let Some(last) = last.filter(|_| found.has_more && missing > 0) else { return Ok(found) };
            let next = self.objects.ledger.page(self.device, self.kind, self.query.behind(last), missing).await?;
            // The object was there a moment ago.
            let Some(next) = next else { break };
            page = next;
        }
        if found.objects.is_empty() {
            let message = "The upstream does not know what this device has; try again later";
            return Err(Problem::new(ErrorCode::Overloaded, message).into());
        }
        Ok(found)
    }

    /// Fetches all objects at once.
    async fn fetch(&self, objects: Vec<OwnedObject>, into: &mut Vec<(String, Bytes)>) -> Result<(), ListingError> {
        let (ledger, now) = (&self.objects.ledger, self.objects.clock.now());
        let mut fetching = JoinSet::new();
        for (place, object) in objects.into_iter().enumerate() {
            let parts = follow_up(self.parts, Method::GET, &self.target(&object.id));
            let (calls, upstream) = (self.objects.calls.clone(), self.upstream.clone());
            fetching
                .spawn(async move { (place, object, calls.whole(&upstream, parts, BufferedBody::default()).await) });
        }
        let mut fetched = Vec::new();
        while let Some(one) = fetching.join_next().await {
            let panicked = |_| Problem::new(ErrorCode::Internal, "The service failed while it fetched a list");
            let (place, object, whole) = one.map_err(panicked)?;
            let whole = whole?;
            let is_missing = whole.status() == StatusCode::NOT_FOUND;
            let is_object = whole.status().is_success() && whole.object_id().is_some();
            if !is_missing && !is_object {
                return Err(ListingError::Answer(whole));
            }
            if !is_missing {
                fetched.push((place, object.id.clone(), whole.body));
            }
            ledger.note_missing(object, is_missing, now);
        }
        fetched.sort_unstable_by_key(|(place, ..)| *place);
        into.extend(fetched.into_iter().map(|(_, id, body)| (id, results_url::with_path(body))));
        Ok(())
    }

    fn target(&self, id: &str) -> String {
        let collection = match self.kind {
            ObjectKind::Batch => BATCHES,
            ObjectKind::File => FILES,
        };
        let query = if self.query.beta { "?beta=true" } else { "" };
        format!("{collection}/{id}{query}")
    }
}

impl ListedObjects {
    fn page(mut self, query: &Query) -> Response<Reply> {
        if matches!(query.start, PageStart::Before(_)) {
            self.objects.reverse();
        }
        list_page(&self.objects, self.has_more)
    }
}

/// Most rounds of replacing objects that the upstream does not know. Objects unknown for a day are deleted from the
/// ledger.
const ROUNDS: usize = 5;

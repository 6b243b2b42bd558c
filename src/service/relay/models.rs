//! The list of models, and one model by its id. Both are answered from [`copies`], because a slow upstream must not keep
//! clients waiting that ask for models as they start: Claude Code gives up after three seconds.
//!
//! A restricted device is shown the models that it may use and no others. The ids decide, as they do for its requests; the
//! bytes of an entry stay as they are. For other devices the answer is the upstream's.

mod copies;
mod copy;
mod copy_request;
mod page;
mod shelf;

use std::pin::pin;
use std::sync::Arc;

use http::{Response, StatusCode, Uri};

use self::copies::{Copies, Got};
use self::copy::is_encoded;
use self::copy_request::CopyRequest;
use self::page::{ListedModel, PageQuery};
use crate::clock::Clock;
use crate::service::base::json::ListPage;
use crate::service::base::shown::shown;
use crate::service::base::trace_context::Tracer;
use crate::service::govern::revocation::revoked;
use crate::service::meter::usage::Ended;
use crate::service::relay::admission::Arrival;
use crate::service::relay::batches::answered;
use crate::service::relay::batches::call::{Calls, Whole};
use crate::service::relay::in_flight::InFlight;
use crate::service::relay::list_page::list_page;
use crate::service::relay::pipeline::Stages;
use crate::service::relay::route::RelayRoute;
use crate::service::relay::worker::Worker;
use crate::service::token::models::ModelRule;
use crate::transport::path::model_id;
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::transport::upstream::Upstream;
use crate::wire::ErrorCode;
use crate::wire::names::REQUEST_ID_HEADER;

/// Serves the routes of models; shared by all workers.
pub(crate) struct Models {
    stages: Arc<Stages>,
    copies: Arc<Copies>,
    tracer: Option<Tracer>,
    clock: Arc<dyn Clock>,
}

enum ModelAnswer {
    /// The upstream's own answer.
    Upstreams(Got),
    /// A page for a restricted device.
    Page(Response<Reply>),
}

impl Models {
    pub(crate) fn new(stages: Arc<Stages>, calls: Calls, tracer: Option<Tracer>, clock: Arc<dyn Clock>) -> Self {
        let copies = Arc::new(Copies::new(calls, Arc::clone(&clock)));
        Self { stages, copies, tracer, clock }
    }

    /// Serves one request, and leaves a usage record unless the request is refused.
    pub(crate) async fn serve(&self, arrival: Arrival, worker: &Worker) -> Result<Response<Reply>, Problem> {
        let mut flight = self.stages.admission.admit(&arrival, worker).await?;
        let Arrival { request, route, id, at, .. } = arrival;
        let (mut parts, _) = request.into_parts();
        let rule = flight.caller().models().clone();
        let query = judge(route, &rule, &parts.uri)?;
        let mut record = self.stages.record(&flight, route, &id, at);
        record.usage.trace = self.tracer.and_then(|tracer| tracer.trace(&mut parts.headers));
        flight.open_record(record);
        let (request, signal) = (CopyRequest::of(parts), flight.revoke_signal());
        let finding = async {
            match &query {
                Some(query) => self.page(query, &rule, &request, &worker.upstream).await,
                None => self.copies.get(request, &worker.upstream).await.map(ModelAnswer::Upstreams),
            }
        };
        match signal.unless(pin!(finding)).await {
            Some(Ok(found)) => self.answer(found, flight, &id),
            Some(Err(problem)) => Err(flight.fail(Ended::Error, problem)),
            None => Err(flight.fail(Ended::Revoked, revoked())),
        }
    }

    /// Makes the page out of the whole list. An error of the upstream is shown as it is.
    async fn page(
        &self,
        query: &PageQuery,
        rule: &ModelRule,
        request: &CopyRequest,
        upstream: &Upstream,
    ) -> Result<ModelAnswer, Problem> {
        let (mut allowed, mut after): (Vec<ListedModel>, Option<String>) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let request = request.with_query(&query.of_all(after.as_deref()))?;
            let got = self.copies.get(request, upstream).await?;
            if !got.answer().status().is_success() {
                return Ok(ModelAnswer::Upstreams(got));
            }
            let list = read(got.answer()).ok_or_else(unreadable)?;
            after = list.entries.last().map(|model| model.id.clone()).filter(|_| list.has_more);
            let models = list.entries.into_iter().filter(|model| rule.allows(&model.id));
            allowed.extend(models.map(|model| (model.id, got.answer().body.slice_ref(model.bytes))));
            if after.is_none() {
                let (page, has_more) = query.cut(&allowed)?;
                return Ok(ModelAnswer::Page(list_page(page, has_more)));
            }
        }
        Err(unreadable())
    }

    fn answer(&self, found: ModelAnswer, mut flight: InFlight, id: &RequestId) -> Result<Response<Reply>, Problem> {
        let response = match found {
            ModelAnswer::Upstreams(Got::Answer(answer)) => return answered(Whole::clone(&answer), flight, id),
            ModelAnswer::Upstreams(Got::Copy(copy)) => copy.response(self.clock.now(), id),
            ModelAnswer::Page(mut page) => {
                page.headers_mut().insert(REQUEST_ID_HEADER, id.header());
                page
            }
        };
        flight.answered(StatusCode::OK.as_u16(), None);
        flight.finish(Ended::Complete);
        Ok(response)
    }
}

/// The page that a restricted device asks for; `None` when the upstream's answer can be shown as it is. A model that the
/// device may not use is unknown, in the API's own words.
fn judge(route: RelayRoute, rule: &ModelRule, uri: &Uri) -> Result<Option<PageQuery>, Problem> {
    if *rule == ModelRule::Any {
        return Ok(None);
    }
    if route == RelayRoute::Models {
        return PageQuery::read(uri.query()).map(Some);
    }
    let id = model_id(uri.path()).unwrap_or_default();
    if rule.allows(&id) {
        Ok(None)
    } else {
        Err(Problem::new(ErrorCode::ObjectUnknown, format!("model: {}", shown(&id))))
    }
}

fn read(answer: &Whole) -> Option<ListPage<'_>> {
    if is_encoded(answer) { None } else { ListPage::read(&answer.body).ok() }
}

fn unreadable() -> Problem {
    Problem::new(ErrorCode::UpstreamInvalid, "The upstream's list of models cannot be read")
}

/// Pages of a thousand models.
const MOST_PAGES: usize = 10;

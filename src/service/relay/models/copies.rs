//! Copies of the upstream's answers about models, which all workers share.
//!
//! A copy is served at once. When it is no longer fresh, the first request that finds it so has it renewed, beside its own
//! answer. Only without a copy, or with one that is too old, a request waits for the upstream; all that ask for the same
//! then wait for one answer. The answers depend on the real key, which changes only with a restart.
//!
//! A request for a copy outlives the client that has caused it, so few are on their way at once. What goes beyond them,
//! and a query that the API does not know, is asked for without a copy, for as long as the client waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::copy::ModelCopy;
use super::copy_request::{CopyKey, CopyRequest};
use super::shelf::{Fetched, Fetching, Shelf};
use crate::clock::Clock;
use crate::lock::lock;
use crate::service::relay::batches::call::{Calls, Whole};
use crate::transport::buffered_body::BufferedBody;
use crate::transport::problem::Problem;
use crate::transport::upstream::Upstream;
use crate::wire::ErrorCode;

pub(super) struct Copies {
    calls: Calls,
    clock: Arc<dyn Clock>,
    shelf: Mutex<Shelf>,
    /// Permits for requests on their way.
    fetches: Arc<Semaphore>,
}

/// What a request gets.
pub(super) enum Got {
    Copy(Arc<ModelCopy>),
    /// An answer that the upstream gave just now, an error too.
    Answer(Arc<Whole>),
}

enum Look {
    Serve(Arc<ModelCopy>),
    Wait {
        fetching: Fetching,
        old: Option<Arc<ModelCopy>>,
    },
    /// Enough requests for copies are on their way.
    Busy {
        request: CopyRequest,
        old: Option<Arc<ModelCopy>>,
    },
}

impl Copies {
    pub(super) fn new(calls: Calls, clock: Arc<dyn Clock>) -> Self {
        Self { calls, clock, shelf: Mutex::default(), fetches: Arc::new(Semaphore::new(MOST_FETCHES)) }
    }

    /// The copy for this request, or else the upstream's answer. If the upstream gives none, a copy of any age will do.
    pub(super) async fn get(self: &Arc<Self>, request: CopyRequest, upstream: &Upstream) -> Result<Got, Problem> {
        if !request.is_known() {
            return self.ask(request, upstream).await.map(Got::Answer);
        }
        let (answer, old) = match self.look(request, upstream) {
            Look::Serve(copy) => return Ok(Got::Copy(copy)),
            Look::Wait { fetching, old } => (answer_to(fetching).await, old),
            Look::Busy { request, old } => (self.ask(request, upstream).await, old),
        };
        match (answer, old) {
            (Ok(answer), _) => Ok(Got::Answer(answer)),
            (Err(_), Some(old)) => Ok(Got::Copy(old)),
            (Err(problem), None) => Err(problem),
        }
    }

    /// Asks the upstream for the client that waits, and no longer than it waits.
    async fn ask(&self, request: CopyRequest, upstream: &Upstream) -> Fetched {
        // Boxed: large and rare, it would otherwise make the future of every request as large.
        Box::pin(self.calls.whole(upstream, request.into_parts(), BufferedBody::default())).await.map(Arc::new)
    }

    fn look(self: &Arc<Self>, request: CopyRequest, upstream: &Upstream) -> Look {
        let (key, now) = (request.key(), self.clock.now());
        let mut copies = lock(&self.shelf);
        let place = copies.place(&key);
        let copy = place.copy.clone();
        if let Some(copy) = &copy
            && (copy.is_fresh(now) || (copy.is_good(now) && place.rests(now)))
        {
            return Look::Serve(Arc::clone(copy));
        }
        let look = match (place.fetching(), Arc::clone(&self.fetches).try_acquire_owned()) {
            (Some(fetching), _) => Look::Wait { fetching, old: copy },
            (None, Ok(permit)) => {
                let fetching = self.fetch(key, request, upstream.clone(), permit);
                place.fetch(&fetching, now);
                Look::Wait { fetching, old: copy }
            }
            (None, Err(_)) => Look::Busy { request, old: copy },
        };
        copies.make_room();
        match look {
            Look::Wait { old: Some(copy), .. } | Look::Busy { old: Some(copy), .. } if copy.is_good(now) => {
                Look::Serve(copy)
            }
            look => look,
        }
    }

    /// Asks the upstream in a task of its own: a client that leaves must not end what others wait for.
    fn fetch(
        self: &Arc<Self>,
        key: CopyKey,
        request: CopyRequest,
        upstream: Upstream,
        permit: OwnedSemaphorePermit,
    ) -> Fetching {
        let (tell, fetching) = watch::channel(None);
        let copies = Arc::clone(self);
        tokio::spawn(async move {
            let late = |_| Err(Problem::new(ErrorCode::UpstreamTimeout, "The upstream did not answer in time"));
            let fetched = timeout(LONGEST_FETCH, copies.ask(request, &upstream)).await.unwrap_or_else(late);
            copies.keep(&key, &fetched);
            drop(permit);
            tell.send_replace(Some(fetched));
        });
        fetching
    }

    fn keep(&self, key: &CopyKey, fetched: &Fetched) {
        let copy = fetched.as_ref().ok().and_then(|answer| ModelCopy::of(answer, self.clock.now()));
        if let (Ok(answer), None) = (fetched, &copy) {
            let status = answer.status().as_u16();
            tracing::info!(status, "The upstream gave an answer about models that is not copied");
        }
        let mut copies = lock(&self.shelf);
        copies.keep(key, copy);
        copies.make_room();
    }
}

impl Got {
    pub(super) fn answer(&self) -> &Whole {
        match self {
            Self::Copy(copy) => copy.answer(),
            Self::Answer(answer) => answer,
        }
    }
}

async fn answer_to(mut fetching: Fetching) -> Fetched {
    let told = fetching.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
    told.unwrap_or_else(|| Err(Problem::new(ErrorCode::ShuttingDown, "The service is shutting down")))
}

/// Requests for copies that are on their way at once. Clients at their start ask for one or two.
const MOST_FETCHES: usize = 8;

/// How long a request for a copy may take: nobody may be waiting for it any more.
const LONGEST_FETCH: Duration = Duration::from_secs(30);

//! Copies of the upstream's answers about models, which all workers share.
//!
//! A copy is served at once. When it is no longer fresh, the first request that finds it so has it renewed, beside its own
//! answer. Only without a copy, or with one that is too old, a request waits for the upstream; all that ask for the same
//! then wait for one answer. The answers depend on the real key, which changes only with a restart.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

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
}

/// What a request gets.
pub(super) enum Got {
    Copy(Arc<ModelCopy>),
    /// An answer that the upstream gave just now, an error too.
    Answer(Arc<Whole>),
}

enum Look {
    Serve(Arc<ModelCopy>),
    Wait { fetching: Fetching, old: Option<Arc<ModelCopy>> },
}

impl Copies {
    pub(super) fn new(calls: Calls, clock: Arc<dyn Clock>) -> Self {
        Self { calls, clock, shelf: Mutex::default() }
    }

    /// The copy for this request, or else the upstream's answer. If the upstream gives none, a copy of any age will do.
    pub(super) async fn get(self: &Arc<Self>, request: CopyRequest, upstream: &Upstream) -> Result<Got, Problem> {
        match self.look(request, upstream) {
            Look::Serve(copy) => Ok(Got::Copy(copy)),
            Look::Wait { fetching, old } => match (answer_to(fetching).await, old) {
                (Ok(answer), _) => Ok(Got::Answer(answer)),
                (Err(_), Some(old)) => Ok(Got::Copy(old)),
                (Err(problem), None) => Err(problem),
            },
        }
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
        let fetching = place.fetching().unwrap_or_else(|| {
            let fetching = self.fetch(key, request, upstream.clone());
            place.fetch(&fetching, now);
            fetching
        });
        copies.make_room();
        match copy {
            Some(copy) if copy.is_good(now) => Look::Serve(copy),
            old => Look::Wait { fetching, old },
        }
    }

    /// Asks the upstream in a task of its own: a client that leaves must not end what others wait for.
    fn fetch(self: &Arc<Self>, key: CopyKey, request: CopyRequest, upstream: Upstream) -> Fetching {
        let (tell, fetching) = watch::channel(None);
        let copies = Arc::clone(self);
        tokio::spawn(async move {
            let answer = copies.calls.whole(&upstream, request.into_parts(), BufferedBody::default()).await;
            let fetched: Fetched = answer.map(Arc::new);
            copies.keep(&key, &fetched);
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

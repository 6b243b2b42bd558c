//! The owners of batches and files, asked from any thread. Requests wait for the database; without it they get a 503.

use std::time::{Duration, SystemTime};

use crate::service::enrol::db_requests::DbRequests;
use crate::service::meter::usage::Reference;
use crate::service::store::database::{Database, ObjectKind, OwnedObject, OwnedPage, PageStart, StoreError};
use crate::transport::problem::Problem;
use crate::wire::{DeviceId, ErrorCode};

/// The table of owned objects as requests use it.
#[derive(Clone)]
pub(crate) struct Ledger(DbRequests);

impl Ledger {
    pub(crate) fn new(db_requests: DbRequests) -> Self {
        Self(db_requests)
    }

    /// The database, for tasks on the control thread.
    pub(crate) fn database(&self) -> Database {
        self.0.database()
    }

    /// Fails unless the database answers.
    pub(crate) async fn is_there(&self) -> Result<(), Problem> {
        let database = self.database();
        self.ask(async move { database.ping().await }).await
    }

    /// Records the owner of an object.
    pub(crate) async fn keep(&self, object: OwnedObject) -> Result<(), Problem> {
        let objects = self.database().owned_objects();
        self.ask(async move { objects.insert(&object).await }).await
    }

    /// The object with this id, of any device.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<OwnedObject>, Problem> {
        if !Reference::may_be_id(id) {
            return Ok(None);
        }
        let (objects, id) = (self.database().owned_objects(), id.to_owned());
        self.ask(async move { objects.with_id(&id).await }).await
    }

    /// A page of a device's objects; `None` if the device does not own the object that the page starts behind.
    pub(crate) async fn page(
        &self,
        device: &DeviceId,
        kind: ObjectKind,
        start: PageStart,
        limit: u32,
    ) -> Result<Option<OwnedPage>, Problem> {
        if let PageStart::After(id) | PageStart::Before(id) = &start
            && !Reference::may_be_id(id)
        {
            return Ok(None);
        }
        let (objects, device) = (self.database().owned_objects(), device.clone());
        self.ask(async move { objects.page(&device, kind, &start, limit).await }).await
    }

    /// Deletes an object's row without waiting. If it fails, the upstream's 404 corrects it later.
    pub(crate) fn forget(&self, object: OwnedObject) {
        let objects = self.database().owned_objects();
        self.0.beside("forget a deleted object", async move { objects.delete(&object.device, &object.id).await });
    }

    /// Records whether the upstream knows an object, without waiting.
    pub(crate) fn note_missing(&self, object: OwnedObject, is_missing: bool, now: SystemTime) {
        if is_missing || object.missing_since.is_some() {
            let objects = self.database().owned_objects();
            let note = async move { objects.note_missing(&object, is_missing, now).await };
            self.0.beside("record whether the upstream has an object", note);
        }
    }

    /// Records that a batch is billed, without waiting. If it fails, the biller reads the usage once more.
    pub(crate) fn settle(&self, id: String) {
        let objects = self.database().owned_objects();
        self.0.beside("note that a batch is on record", async move { objects.settle(&id).await });
    }

    pub(crate) async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.0.within(limit, work).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, Problem> {
        self.0.ask(question).await.map_err(|error| {
            tracing::error!(%error, "Cannot tell who owns a batch or a file");
            away()
        })
    }
}

/// The API's answer to an unknown id, given for an id of another device too.
pub(crate) fn unknown(kind: ObjectKind, id: &str) -> Problem {
    let what = match kind {
        ObjectKind::Batch => "Message batch",
        ObjectKind::File => "File",
    };
    not_found(what, id)
}

/// The API's answer to the id of a `what` that it does not know.
pub(super) fn not_found(what: &str, id: &str) -> Problem {
    let id: String = id.chars().take(SHOWN).collect();
    Problem::new(ErrorCode::ObjectUnknown, format!("{what} not found: {id}"))
}

/// Longest part of a requested id that an answer repeats.
const SHOWN: usize = 100;

pub(super) fn away() -> Problem {
    let message = "The service cannot tell at the moment who owns what; try again later";
    Problem::new(ErrorCode::NotReady, message).retry_after(RETRY_AFTER)
}

const RETRY_AFTER: Duration = Duration::from_secs(5);

//! Who has what, asked from any thread.
//!
//! The database's connections belong to the control thread, so that is where every question is answered; who asks waits
//! for a limited time. One connection of its own keeps these questions from standing in the way of what decides about
//! requests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;

use crate::service::store::{Database, ObjectKind, OwnedObject, OwnedPage, PageStart, StoreError};
use crate::transport::problem::Problem;
use crate::wire::{DeviceId, ErrorCode};

/// The table of owned objects as requests see it. Clones share the connection.
#[derive(Clone)]
pub(in crate::service) struct Ledger(Arc<Shared>);

struct Shared {
    database: Database,
    runtime: Handle,
}

impl Ledger {
    /// Answers in the runtime that this is called in; connects when it is first asked.
    ///
    /// # Errors
    /// As [`Database::separate`].
    pub(in crate::service) fn open(database: &Database) -> Result<Self, StoreError> {
        let database = database.separate(PATIENCE)?;
        Ok(Self(Arc::new(Shared { database, runtime: Handle::current() })))
    }

    /// The database, for who runs beside it.
    pub(super) fn database(&self) -> &Database {
        &self.0.database
    }

    /// Closes the connection.
    pub(in crate::service) async fn close(&self) {
        self.0.database.close().await;
    }

    /// Whether anybody answers.
    pub(super) async fn is_there(&self) -> Result<(), Problem> {
        let database = self.0.database.clone();
        self.ask(async move { database.ping().await }).await
    }

    /// Keeps that a device has something.
    pub(super) async fn keep(&self, object: OwnedObject) -> Result<(), Problem> {
        let objects = self.0.database.owned_objects();
        self.ask(async move { objects.insert(&object).await }).await
    }

    /// The object of this name, if this device has it.
    pub(super) async fn find(
        &self,
        device: &DeviceId,
        kind: ObjectKind,
        id: &str,
    ) -> Result<Option<OwnedObject>, Problem> {
        let (objects, device, id) = (self.0.database.owned_objects(), device.clone(), id.to_owned());
        self.ask(async move { objects.find(&device, kind, &id).await }).await
    }

    /// The first of these files that is not this device's.
    pub(super) async fn first_foreign_file(
        &self,
        device: DeviceId,
        ids: Vec<String>,
    ) -> Result<Option<String>, Problem> {
        let objects = self.0.database.owned_objects();
        self.ask(async move { objects.first_foreign(&device, ObjectKind::File, &ids).await }).await
    }

    /// A page of what a device has; none if it does not have what the page begins behind.
    pub(super) async fn page(
        &self,
        device: &DeviceId,
        kind: ObjectKind,
        start: PageStart,
        limit: u32,
    ) -> Result<Option<OwnedPage>, Problem> {
        let (objects, device) = (self.0.database.owned_objects(), device.clone());
        self.ask(async move { objects.page(&device, kind, &start, limit).await }).await
    }

    /// Forgets an object. Nobody waits for it: if it fails, the upstream says what there is.
    pub(super) fn forget(&self, id: String) {
        let objects = self.0.database.owned_objects();
        self.do_beside("forget a deleted object", async move { objects.delete(&id).await });
    }

    /// Notes that the upstream does not know an object, or knows it again. Nobody waits for it.
    pub(super) fn note_missing(&self, object: OwnedObject, is_missing: bool, now: SystemTime) {
        if is_missing || object.missing_since.is_some() {
            let objects = self.0.database.owned_objects();
            let note = async move { objects.note_missing(&object, is_missing, now).await };
            self.do_beside("note what the upstream has", note);
        }
    }

    /// Notes that the usage of a batch is on record. Nobody waits for it: if it fails, the usage is read once more.
    pub(super) fn settle(&self, id: String) {
        let objects = self.0.database.owned_objects();
        self.do_beside("note that a batch is on record", async move { objects.settle(&id).await });
    }

    /// Does something on the control thread; none when it takes longer than `limit`, but it goes on.
    pub(super) async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        tokio::time::timeout(limit, self.0.runtime.spawn(work)).await.ok()?.ok()
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, Problem> {
        match self.within(LIMIT, question).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => {
                tracing::error!(%error, "Cannot ask who owns a batch or a file");
                Err(away())
            }
            None => {
                tracing::error!("The database does not say in time who owns a batch or a file");
                Err(away())
            }
        }
    }

    fn do_beside(&self, what: &'static str, work: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
        self.0.runtime.spawn(async move {
            if let Err(error) = work.await {
                tracing::warn!(%error, "Cannot {what}");
            }
        });
    }
}

fn away() -> Problem {
    let message = "The service cannot tell at the moment who owns what; try again later";
    Problem::new(ErrorCode::NotReady, message).retry_after(RETRY_AFTER)
}

/// How long a statement waits for a lock.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a request waits for an answer.
const LIMIT: Duration = Duration::from_secs(5);

const RETRY_AFTER: Duration = Duration::from_secs(5);

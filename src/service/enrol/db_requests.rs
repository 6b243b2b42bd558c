//! Asks the database from any thread.
//!
//! Its connections belong to the control thread, so that is where every question is answered; who asks waits for a limited
//! time. One connection of its own keeps these questions from standing in the way of what decides about requests.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use crate::service::store::database::{Database, StoreError};

/// The way to the database. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Enquiries(Arc<Shared>);

struct Shared {
    /// Replaced when it does not answer: what is asked of a connection whose reply was lost waits for ever.
    database: ArcSwap<Database>,
    runtime: Handle,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The database says why.
    #[error(transparent)]
    Failed(#[from] StoreError),
    /// It takes longer than anybody waits.
    #[error("the database does not answer in time")]
    Late,
}

impl Enquiries {
    /// Answers in the runtime that this is called in; connects when it is first asked.
    ///
    /// # Errors
    /// As [`Database::separate`].
    pub(crate) fn open(database: &Database) -> Result<Self, StoreError> {
        let database = database.separate(PATIENCE)?;
        Ok(Self(Arc::new(Shared { database: ArcSwap::from_pointee(database), runtime: Handle::current() })))
    }

    /// The database over the connection of its own. Take it anew for each question.
    pub(crate) fn database(&self) -> Database {
        self.0.database.load().as_ref().clone()
    }

    /// Closes the connection.
    pub(crate) async fn close(&self) {
        self.database().close().await;
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`NoAnswer`]
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let asked = self.database();
        let Some(answer) = self.within(LIMIT, question).await else {
            self.reconnect(&asked);
            return Err(NoAnswer::Late);
        };
        Ok(answer?)
    }

    /// Takes another connection in place of the one of `asked`, unless somebody has done so.
    fn reconnect(&self, asked: &Database) {
        let _inside = self.0.runtime.enter(); // the connection belongs to it
        let current = self.0.database.load();
        if let Ok(database) = asked.separate(PATIENCE)
            && current.is(asked)
        {
            self.0.database.compare_and_swap(&current, Arc::new(database));
        }
    }

    /// Does something on the control thread; none when it takes longer than `limit`, but it goes on.
    pub(crate) async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        tokio::time::timeout(limit, self.0.runtime.spawn(work)).await.ok()?.ok()
    }

    /// Does something on the control thread that nobody waits for. If it fails the log says that it cannot do `what`.
    pub(crate) fn beside(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) {
        self.0.runtime.spawn(async move {
            if let Err(error) = work.await {
                tracing::warn!(%error, "Cannot {what}");
            }
        });
    }
}

/// How long a statement waits for a lock.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a request waits for an answer.
const LIMIT: Duration = Duration::from_secs(5);

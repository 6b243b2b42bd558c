//! Database requests from any thread.
//!
//! The database connections belong to the control thread, which answers every request; the caller waits for a limited
//! time. These requests have a connection of their own, so that they do not delay the policy and usage queries. First
//! and renewed tokens, batches, files, and requests that name a message, container or file that the instance does not
//! know, make them; no other request waits for the database.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use crate::service::store::database::{Database, StoreError};

/// Clones share the connection.
#[derive(Clone)]
pub(crate) struct DbRequests(Arc<DbAccess>);

struct DbAccess {
    /// Replaced when it does not answer: a request on a connection whose reply was lost waits for ever.
    database: ArcSwap<Database>,
    runtime: Handle,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DbRequestError {
    #[error(transparent)]
    Failed(#[from] StoreError),
    /// The answer did not come within [`LIMIT`].
    #[error("the database does not answer in time")]
    Late,
}

impl DbRequests {
    /// Answers in the runtime that this is called in. Connects with the first request.
    pub(crate) fn open(database: &Database) -> Result<Self, StoreError> {
        let database = database.separate(PATIENCE)?;
        Ok(Self(Arc::new(DbAccess { database: ArcSwap::from_pointee(database), runtime: Handle::current() })))
    }

    /// The database over this connection. Take it anew for each request: the connection may have been replaced.
    pub(crate) fn database(&self) -> Database {
        self.0.database.load().as_ref().clone()
    }

    pub(crate) async fn close(&self) {
        self.database().close().await;
    }

    /// Runs `question` on the control thread and waits for its answer.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, DbRequestError> {
        let asked = self.database();
        let Some(answer) = self.within(LIMIT, question).await else {
            self.reconnect(&asked);
            return Err(DbRequestError::Late);
        };
        Ok(answer?)
    }

    /// Replaces the connection that `asked` uses, unless another caller has done so.
    fn reconnect(&self, asked: &Database) {
        let _inside = self.0.runtime.enter(); // the connection belongs to it
        let current = self.0.database.load();
        if let Ok(database) = asked.separate(PATIENCE)
            && current.is(asked)
        {
            self.0.database.compare_and_swap(&current, Arc::new(database));
        }
    }

    /// Runs `work` on the control thread. `None` when it takes longer than `limit`; the work goes on.
    pub(crate) async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        tokio::time::timeout(limit, self.0.runtime.spawn(work)).await.ok()?.ok()
    }

    /// Runs `work` on the control thread without waiting. If it fails the log says "Cannot {what}".
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

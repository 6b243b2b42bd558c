//! The handle by which everybody asks for a newer token.

use tokio::sync::{mpsc, oneshot};

use crate::client::error::ClientError;

/// Asks for a refresh.
#[derive(Clone)]
pub struct Refresher(mpsc::UnboundedSender<Ask>);

/// One ask.
pub(super) struct Ask {
    /// Why.
    pub why: Why,
    /// Who waits for the attempt that answers it, and may have gone.
    pub done: oneshot::Sender<Result<(), ClientError>>,
}

/// Why a newer token is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The token of this generation is too old, or is about to be.
    Aged(u64),
    /// The service rejected the token of this generation.
    Rejected(u64),
    /// The app asks. It does not join an attempt that has begun for another reason.
    Forced,
    /// The machine woke up: look at once.
    Resumed,
}

impl Refresher {
    /// The handle, and where its asks arrive.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Ask>) {
        let (sender, asks) = mpsc::unbounded_channel();
        (Self(sender), asks)
    }

    /// Asks, and waits for the attempt that answers it.
    ///
    /// # Errors
    /// Why there is no newer token.
    pub async fn ask(&self, why: Why) -> Result<(), ClientError> {
        let (done, answer) = oneshot::channel();
        self.0.send(Ask { why, done }).map_err(|_| ClientError::Closed)?;
        answer.await.unwrap_or(Err(ClientError::Closed))
    }

    /// Asks and does not wait.
    pub fn kick(&self, why: Why) {
        let (done, _) = oneshot::channel();
        // After the end nothing needs refreshing.
        let _ = self.0.send(Ask { why, done });
    }
}

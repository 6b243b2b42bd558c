//! The handle that asks the refresh task for a newer token.

use tokio::sync::{mpsc, oneshot};

use crate::client::error::ClientError;

/// Asks for a newer token; cheap to clone.
#[derive(Clone)]
pub struct Refresher(mpsc::UnboundedSender<RefreshRequest>);

pub(super) struct RefreshRequest {
    pub reason: Reason,
    /// Takes the result; its receiver may have stopped waiting.
    pub done: oneshot::Sender<Result<(), ClientError>>,
}

/// Why a newer token is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The token of this generation is due or expired.
    Aged(u64),
    /// The service rejected the token of this generation.
    Rejected(u64),
    /// The app wants the newest token there is.
    Forced,
    /// The machine woke up: compare the clock at once.
    Resumed,
    /// An outage of the service has begun or is over, as a request found out.
    LinkChanged,
    /// A request got no answer for long, or one that the service may not have sent.
    LinkDoubtful,
}

impl Reason {
    /// Whether the result of an attempt answers an ask that came during it. A request takes the token of any attempt;
    /// the app waits for an attempt that was made for the app.
    pub(super) fn joins(self, attempt: Self) -> bool {
        match self {
            Self::Aged(_) | Self::Rejected(_) => true,
            Self::Forced => attempt == Self::Forced,
            Self::Resumed | Self::LinkChanged | Self::LinkDoubtful => false,
        }
    }
}

impl Refresher {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<RefreshRequest>) {
        let (sender, asks) = mpsc::unbounded_channel();
        (Self(sender), asks)
    }

    /// Asks, waits for the attempt that answers, and returns why there is no newer token.
    pub async fn ask(&self, reason: Reason) -> Result<(), ClientError> {
        let (done, answer) = oneshot::channel();
        self.0.send(RefreshRequest { reason, done }).map_err(|_| ClientError::Closed)?;
        answer.await.unwrap_or(Err(ClientError::Closed))
    }

    /// Asks without waiting for the answer.
    pub fn kick(&self, reason: Reason) {
        let (done, _) = oneshot::channel();
        // After the task has ended no token needs a refresh.
        let _ = self.0.send(RefreshRequest { reason, done });
    }
}

//! A request that waits for its answer, and the doubt about the service that grows meanwhile.
//!
//! A service that hangs keeps its connections open and answers nothing. A request would find that out at the end of its own
//! limit only, after minutes, and its client leaves long before. A healthy service may take its time, too, so a request that
//! waits decides nothing: it makes the refresh task look at the service's health.

use std::pin::Pin;
use std::time::Duration;

use super::refresh::{Reason, Refresher};

/// A request without an answer. Its client has left if it is dropped so.
struct Unanswered<'a> {
    refresher: &'a Refresher,
    is_answered: bool,
}

/// Waits for the answer that `sending` brings. Raises a doubt each time that [`PATIENCE`] passes without one, and when the client
/// leaves before it.
pub(super) async fn answered<T>(refresher: &Refresher, mut sending: Pin<&mut impl Future<Output = T>>) -> T {
    let mut request = Unanswered { refresher, is_answered: false };
    loop {
        if let Ok(answer) = tokio::time::timeout(PATIENCE, sending.as_mut()).await {
            request.is_answered = true;
            return answer;
        }
        request.raise_doubt();
    }
}

impl Unanswered<'_> {
    fn raise_doubt(&self) {
        self.refresher.kick(Reason::LinkDoubtful);
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.raise_doubt();
        }
    }
}

/// How long a request waits before its service is doubted, and how often after that.
const PATIENCE: Duration = Duration::from_secs(10);

//! A revoke signal: ends one exchange, from any thread, when the access it runs under is revoked.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;

/// A flag that is raised once and wakes the task that waits for it. Clones share the flag; only one task may wait.
#[derive(Debug, Clone, Default)]
pub struct RevokeSignal(Arc<SignalState>);

#[derive(Debug, Default)]
struct SignalState {
    raised: AtomicBool,
    waiting: AtomicWaker,
}

impl RevokeSignal {
    /// Raises the flag and wakes the waiting task.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::Release);
        self.0.waiting.wake();
    }

    /// Whether the flag is raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::Acquire)
    }

    /// Ready once the flag is raised.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_raised() {
            return Poll::Ready(());
        }
        self.0.waiting.register(cx.waker());
        // The flag may have been raised before the waker was registered.
        if self.is_raised() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Runs `work` until it is done (`Some`) or the flag is raised (`None`); with the flag raised, it is never polled.
    /// The caller pins `work`: taken by value, it would be in this future twice, and so on in every future around it.
    pub async fn unless<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        std::future::poll_fn(|cx| {
            if self.is_raised() {
                return Poll::Ready(None);
            }
            match work.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => self.poll(cx).map(|()| None),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_revoke_signal_ends_waiting_work_and_not_finished_work() {
        let signal = RevokeSignal::default();
        assert_eq!(signal.unless(pin!(async { 1 })).await, Some(1));
        let other = signal.clone();
        let waiting = tokio::spawn(async move { other.unless(pin!(std::future::pending::<()>())).await });
        tokio::task::yield_now().await;
        std::thread::spawn(move || signal.raise()).join().unwrap();
        assert_eq!(waiting.await.unwrap(), None);
    }
}

//! The idle timeout: notices that no bytes have come for too long. It adds the grace period of
//! [`within`](super::grace::within), for the same reason.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::grace::ANOTHER_LOOK;

/// Measures the time since the last bytes. The timer is set at the first wait and moved only when it fires: a busy
/// stream costs no timer work, and a response that is complete at once costs none at all.
pub(super) struct IdleTimeout {
    limit: Duration,
    armed: Option<Armed>,
}

struct Armed {
    last: Instant,
    timer: Pin<Box<Sleep>>,
    /// The limit has passed, and the grace period runs.
    looks_again: bool,
}

impl IdleTimeout {
    /// A timeout of `limit`, which begins at the first wait.
    #[must_use]
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, armed: None }
    }

    /// Starts the limit anew, because bytes came.
    pub(super) fn reset(&mut self) {
        if let Some(armed) = &mut self.armed {
            armed.last = Instant::now();
            armed.looks_again = false;
        }
    }

    /// Ready with the limit once it has passed. Poll it only after a read that found no bytes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let limit = self.limit;
        let armed = self.armed.get_or_insert_with(|| {
            let last = Instant::now();
            Armed { last, timer: Box::pin(tokio::time::sleep_until(last + limit)), looks_again: false }
        });
        loop {
            ready!(armed.timer.as_mut().poll(cx));
            let (due, now) = (armed.last + limit, Instant::now());
            if now < due {
                armed.timer.as_mut().reset(due);
            } else if armed.looks_again {
                return Poll::Ready(limit);
            } else {
                armed.looks_again = true;
                armed.timer.as_mut().reset(now + ANOTHER_LOOK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);
    /// One second less than the limit.
    const SHORT: Duration = Duration::from_secs(9);

    #[tokio::test(start_paused = true)]
    async fn the_idle_timeout_counts_from_the_last_bytes() {
        let mut idle_timeout = IdleTimeout::new(LIMIT);
        let began = Instant::now();
        assert!(poll_fn(|cx| Poll::Ready(idle_timeout.poll(cx))).await.is_pending());
        advance(SHORT).await;
        idle_timeout.reset();
        assert_eq!(poll_fn(|cx| idle_timeout.poll(cx)).await, LIMIT);
        let waited = began.elapsed();
        assert!(waited >= LIMIT + SHORT && waited < LIMIT * 2, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn f25_bytes_found_in_the_grace_period_restart_the_idle_timeout() {
        let mut idle_timeout = IdleTimeout::new(LIMIT);
        assert!(poll_fn(|cx| Poll::Ready(idle_timeout.poll(cx))).await.is_pending());
        // The process was stopped for longer than the limit.
        advance(LIMIT * 3).await;
        assert!(poll_fn(|cx| Poll::Ready(idle_timeout.poll(cx))).await.is_pending());
        idle_timeout.reset();
        advance(SHORT).await;
        assert!(poll_fn(|cx| Poll::Ready(idle_timeout.poll(cx))).await.is_pending());
        advance(Duration::from_secs(1)).await;
        assert_eq!(poll_fn(|cx| idle_timeout.poll(cx)).await, LIMIT);
    }
}

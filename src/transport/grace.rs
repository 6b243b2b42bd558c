//! Waits with a limit, and adds a grace period before it gives up.
//!
//! A process that was stopped (SIGSTOP, a frozen container, a paused machine) finds its timers due before it has read
//! the bytes that came meanwhile. Without the grace period it would end every open exchange (F25).

use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout;

/// The result of `work`, or `None` if it has none within `limit` and the grace period.
pub(super) async fn within<T>(limit: Duration, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match timeout(limit, work.as_mut()).await {
        Ok(done) => Some(done),
        Err(_) => timeout(ANOTHER_LOOK, work).await.ok(),
    }
}

/// The grace period: time for the event loop to see which sockets are ready.
pub(super) const ANOTHER_LOOK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::time::{Instant, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn f25_a_result_within_the_grace_period_counts_and_a_later_one_does_not() {
        let came = async |after: Duration| within(LIMIT, pin!(sleep(after)).as_mut()).await.is_some();
        assert!(came(LIMIT / 2).await);
        assert!(came(LIMIT + ANOTHER_LOOK / 2).await);
        let began = Instant::now();
        assert!(!came(LIMIT * 2).await);
        assert!(began.elapsed() < LIMIT + ANOTHER_LOOK * 2);
    }
}

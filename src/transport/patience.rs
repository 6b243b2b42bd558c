//! Waits for something, and takes another look before it gives up.
//!
//! A process that was stopped (SIGSTOP, a frozen container, a paused machine) finds its timers due before it has looked
//! which bytes came meanwhile. A limit that counted then would end every exchange that was open (F25).

use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout;

/// What `work` comes to, unless nothing does within `limit`.
pub(super) async fn within<T>(limit: Duration, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match timeout(limit, work.as_mut()).await {
        Ok(done) => Some(done),
        Err(_) => timeout(ANOTHER_LOOK, work).await.ok(),
    }
}

/// Time for the event loop to see what is there.
pub(super) const ANOTHER_LOOK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::time::{Instant, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn f25_what_is_there_at_the_second_look_is_not_late_and_what_is_not_is() {
        let came = async |after: Duration| within(LIMIT, pin!(sleep(after)).as_mut()).await.is_some();
        assert!(came(LIMIT / 2).await);
        assert!(came(LIMIT + ANOTHER_LOOK / 2).await);
        let began = Instant::now();
        assert!(!came(LIMIT * 2).await);
        assert!(began.elapsed() < LIMIT + ANOTHER_LOOK * 2);
    }
}

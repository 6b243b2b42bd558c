//! Waits with a limit, and adds a grace period before it gives up.
//!
//! A process that was stopped (SIGSTOP, a frozen container, a paused machine) finds its timers due before it has read
//! the bytes that came meanwhile. Without the grace period it would end every open exchange (F25).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, timeout};

/// The result of `work`, or `None` if it has none within `limit` and the grace period.
pub(super) async fn within<T>(limit: Duration, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match timeout(limit, work.as_mut()).await {
        Ok(done) => Some(done),
        Err(_) => timeout(ANOTHER_LOOK, work).await.ok(),
    }
}

/// The grace period: time for the event loop to see which sockets are ready.
pub(super) const ANOTHER_LOOK: Duration = Duration::from_millis(50);

/// A timer for hyper whose sleeps end a grace period after their deadline.
#[derive(Debug, Clone, Copy)]
pub(super) struct GraceTimer;

/// A sleep that looks once more after its deadline.
struct GraceSleep {
    sleep: Pin<Box<Sleep>>,
    has_looked: bool,
}

impl Future for GraceSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.sleep.as_mut().poll(cx));
        if std::mem::replace(&mut self.has_looked, true) {
            return Poll::Ready(());
        }
        self.sleep.as_mut().reset(Instant::now() + ANOTHER_LOOK);
        self.sleep.as_mut().poll(cx)
    }
}

impl hyper::rt::Sleep for GraceSleep {}

impl hyper::rt::Timer for GraceTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(GraceSleep { sleep: Box::pin(tokio::time::sleep(duration)), has_looked: false })
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let sleep = tokio::time::sleep_until(Instant::from_std(deadline));
        Box::pin(GraceSleep { sleep: Box::pin(sleep), has_looked: false })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: std::time::Instant) {
        match sleep.as_mut().downcast_mut_pin::<GraceSleep>() {
            Some(mut sleep) => {
                sleep.has_looked = false;
                sleep.sleep.as_mut().reset(Instant::from_std(deadline));
            }
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use hyper::rt::Timer;
    use tokio::time::sleep;

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

    #[tokio::test(start_paused = true)]
    async fn f25_a_sleep_of_the_servers_timer_ends_a_grace_period_late_also_after_a_reset() {
        let began = Instant::now();
        let mut sleeping = GraceTimer.sleep(LIMIT);
        GraceTimer.reset(&mut sleeping, (began + LIMIT * 2).into_std());
        sleeping.await;
        assert!(began.elapsed() >= LIMIT * 2 + ANOTHER_LOOK && began.elapsed() < LIMIT * 2 + ANOTHER_LOOK * 2);
    }
}

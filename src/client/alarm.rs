//! Notices the panic of a task that the client needs. The runtime catches such a panic, and without this nobody would notice
//! that the proxy takes no more connections, or gets no more tokens.

use std::sync::Arc;

use tokio::sync::Notify;

/// Shared by the tasks of one client and by the code that waits for their panic.
#[derive(Clone, Default)]
pub(super) struct Alarm(Arc<Notify>);

impl Alarm {
    /// Runs `task`; if it panics, the alarm is raised.
    pub(super) async fn guard<T>(self, task: impl Future<Output = T>) -> T {
        let _raise = RaiseInPanic(self);
        task.await
    }

    /// Waits until a task has panicked.
    pub(super) async fn raised(&self) {
        self.0.notified().await;
    }
}

struct RaiseInPanic(Alarm);

impl Drop for RaiseInPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.0.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn f104_a_panic_raises_the_alarm_and_neither_an_end_nor_an_abort_does() {
        let alarm = Alarm::default();
        assert_eq!(alarm.clone().guard(async { 7 }).await, 7);
        let stopped = tokio::spawn(alarm.clone().guard(std::future::pending::<()>()));
        tokio::task::yield_now().await;
        stopped.abort();
        assert!(stopped.await.unwrap_err().is_cancelled());
        assert!(timeout(Duration::from_secs(1), alarm.raised()).await.is_err());
        let task =
            tokio::spawn(alarm.clone().guard(std::future::poll_fn(|_| -> Poll<()> { panic!("a fault of this test") })));
        assert!(task.await.unwrap_err().is_panic());
        assert!(timeout(Duration::from_secs(1), alarm.raised()).await.is_ok());
    }
}

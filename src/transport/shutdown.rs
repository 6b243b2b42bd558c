//! How a server is told to end.

use tokio::sync::watch;

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Taking requests.
    Running,
    /// No new connections; what runs may finish.
    Draining,
    /// What still runs is ended now.
    Forced,
}

/// The end that decides.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<Phase>);

/// The end that listens; cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Phase>);

/// A connected pair, in the phase [`Running`](Phase::Running).
#[must_use]
pub fn channel() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Moves on to `phase`; a phase is never taken back.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let later = phase > *current;
            if later {
                *current = phase;
            }
            later
        });
    }

    /// Another listener.
    #[must_use]
    pub fn subscribe(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }
}

impl Shutdown {
    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until `phase` is reached. A dropped trigger counts as [`Forced`](Phase::Forced).
    pub async fn reached(&mut self, phase: Phase) {
        // The only error is that the trigger is gone, and then nobody could ever say more.
        let _ = self.0.wait_for(|current| *current >= phase).await;
    }
}

//! Tells servers and relays to end, in phases.

use tokio::sync::watch;

/// How far a shutdown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The server takes requests.
    Running,
    /// It still does, says that it is not ready, and ends each connection with its next answer.
    LameDuck,
    /// No new connections; open requests may finish.
    Draining,
    /// Open requests are ended now.
    Forced,
}

/// The sender: moves the shutdown from phase to phase.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<Phase>);

/// The receiver; cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Phase>);

/// A sender and a receiver, in the phase [`Running`](Phase::Running).
#[must_use]
pub fn channel() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Moves on to `phase`; an earlier phase is ignored.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let later = phase > *current;
            if later {
                *current = phase;
            }
            later
        });
    }
}

impl Shutdown {
    /// The phase at this moment.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until `phase` is reached. A dropped trigger counts as [`Forced`](Phase::Forced).
    pub async fn reached(&mut self, phase: Phase) {
        // The only error is a dropped trigger, after which no phase can follow.
        let _ = self.0.wait_for(|current| *current >= phase).await;
    }
}

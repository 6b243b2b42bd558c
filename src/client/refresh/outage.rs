//! Looks for a service that requests cannot reach, until it answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

use super::retries::Retries;
use crate::client::error::{Cause, ClientError};
use crate::client::failover::Failover;
use crate::client::session::Session;

/// The checks during an outage. A check has a task of its own, so that a service that does not answer holds nothing up.
pub(super) struct Outage {
    session: Arc<Session>,
    failover: Arc<Failover>,
    checks: Retries,
    running: Option<JoinHandle<()>>,
    /// Whether a request has raised a doubt that no check has answered.
    doubted: bool,
    /// When a check was last made because of a doubt.
    suspected: Option<SystemTime>,
}

impl Outage {
    #[must_use]
    pub(super) fn new(session: Arc<Session>, failover: Arc<Failover>) -> Self {
        Self { session, failover, checks: Retries::default(), running: None, doubted: false, suspected: None }
    }

    /// Starts a check if the service cannot be reached and the next check is due, or if the service is doubted. True once an
    /// outage is over.
    pub(super) fn look(&mut self, now: SystemTime) -> bool {
        // Every kind of outage has the pauses between checks that an outage of the network has.
        let error = self.session.link_error().map(|_| ClientError::Network(Cause::default()));
        if error.is_none() {
            self.look_in_doubt(now);
            return std::mem::take(&mut self.checks).are_under_way();
        }
        self.doubted = false;
        if self.running.is_none() && self.checks.is_due(error, now) {
            self.check();
        }
        false
    }

    /// Makes the next look check whether the service is there, because a request got a server error that may not be the
    /// service's, or waits for its answer. While Claude is overloaded or thinks for long many requests do, so a check follows
    /// the last one after a pause.
    pub(super) fn suspect(&mut self) {
        self.doubted = self.session.link_error().is_none();
    }

    fn look_in_doubt(&mut self, now: SystemTime) {
        if self.doubted && self.running.is_none() && self.pause_left(now).is_zero() {
            self.doubted = false;
            self.suspected = Some(now);
            self.check();
        }
    }

    /// What is left of the pause after the last check that a doubt caused. A clock that was set back ends the pause.
    fn pause_left(&self, now: SystemTime) -> Duration {
        let since = self.suspected.and_then(|at| now.duration_since(at).ok());
        since.map_or(Duration::ZERO, |since| SUSPICION_PAUSE.saturating_sub(since))
    }

    fn check(&mut self) {
        let (session, failover) = (Arc::clone(&self.session), Arc::clone(&self.failover));
        let seen = session.answers();
        self.running = Some(tokio::spawn(async move {
            match failover.reaches().await {
                Ok(true) => session.reached(),
                Err(error) if session.answers() == seen => session.unreached(error),
                Ok(false) | Err(_) => false,
            };
        }));
    }

    /// Waits for the end of the check that runs, and for ever if none does.
    pub(super) async fn checked(&mut self) {
        match &mut self.running {
            Some(check) => {
                // A check that panicked has found nothing.
                let _ = check.await;
                self.running = None;
            }
            None => std::future::pending().await,
        }
    }

    /// How long until the next check; `None` if none is wanted, or if one runs.
    #[must_use]
    pub(super) fn until_next_check(&self, now: SystemTime) -> Option<Duration> {
        match self.running {
            Some(_) => None,
            None if self.doubted => Some(self.pause_left(now)),
            None => self.checks.until_next(now),
        }
    }

    /// Lets the next check be made at once. One that runs began before the machine slept, and is made again.
    pub(super) fn end_wait(&mut self) {
        self.checks.end_wait();
        if let Some(check) = self.running.take() {
            check.abort();
            self.doubted = true;
        }
        self.suspected = None;
    }
}

/// The shortest time between two checks that doubts cause.
const SUSPICION_PAUSE: Duration = Duration::from_secs(5);

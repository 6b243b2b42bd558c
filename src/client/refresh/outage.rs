//! Looks for a service that requests cannot reach, until it answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

use super::retries::Retries;
use crate::client::error::{Cause, ClientError};
use crate::client::service_link::ServiceLink;
use crate::client::session::Session;

/// The checks during an outage. A check has a task of its own, so that a service that does not answer holds nothing up.
pub(super) struct Outage {
    session: Arc<Session>,
    link: Arc<ServiceLink>,
    checks: Retries,
    running: Option<JoinHandle<()>>,
    /// When a check was last made because of a doubt.
    suspected: Option<SystemTime>,
}

impl Outage {
    #[must_use]
    pub(super) fn new(session: Arc<Session>, link: Arc<ServiceLink>) -> Self {
        Self { session, link, checks: Retries::default(), running: None, suspected: None }
    }

    /// Starts a check if the service cannot be reached and the next check is due. True once an outage is over.
    pub(super) fn look(&mut self, now: SystemTime) -> bool {
        // However the service was missed, it is looked for as often as in an outage of the network.
        let error = self.session.link_error().map(|_| ClientError::Network(Cause::default()));
        if error.is_none() {
            return std::mem::take(&mut self.checks).are_under_way();
        }
        if self.running.is_none() && self.checks.is_due(error, now) {
            self.check();
        }
        false
    }

    /// Checks whether the service is there, because a request got a server error that may not be the service's, or waits for
    /// its answer. While Claude is overloaded or thinks for long many requests do, so a check follows the last one after a pause.
    pub(super) fn suspect(&mut self, now: SystemTime) {
        let is_recent = |at: SystemTime| now.duration_since(at).is_ok_and(|since| since < SUSPICION_PAUSE);
        let is_known = self.session.link_error().is_some() || self.suspected.is_some_and(is_recent);
        if !is_known && self.running.is_none() {
            self.suspected = Some(now);
            self.check();
        }
    }

    fn check(&mut self) {
        let Some(token) = self.session.token() else { return };
        let (session, link) = (Arc::clone(&self.session), Arc::clone(&self.link));
        self.running = Some(tokio::spawn(async move {
            match link.reaches(&token.origin).await {
                Ok(true) => session.reached(),
                Ok(false) => false,
                Err(error) => session.unreached(error),
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
        if self.running.is_some() { None } else { self.checks.until_next(now) }
    }

    /// Lets the next check be made at once.
    pub(super) fn end_wait(&mut self) {
        self.checks.end_wait();
    }
}

/// The shortest time between two checks that doubts cause.
const SUSPICION_PAUSE: Duration = Duration::from_secs(5);

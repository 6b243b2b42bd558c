//! Decides when the next wrapper token is wanted, by the clock or because a caller asks.
//!
//! One task makes all attempts, so there is only one at a time, and a caller that stops waiting does not cancel it. The
//! task compares the wall clock at short intervals: a sleeping laptop stops its timers. A failed attempt takes no
//! living token away. The task also looks for a service that requests cannot reach, and tries a keychain that failed.

mod backoff;
mod outage;
mod request;
mod retries;
mod schedule;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::outage::Outage;
use self::request::RefreshRequest;
pub use self::request::{Reason, Refresher};
use self::retries::Retries;
use self::schedule::{SHORTEST_SLEEP, Schedule};
use super::config::ClientConfig;
use super::enrolment::Enrolment;
use super::error::ClientError;
use super::failover::Failover;
use super::renewal::{Renewal, Wanted};
use super::session::Session;
use crate::clock::Clock;

/// The task that decides when to get a token.
pub(super) struct RefreshLoop {
    asks: mpsc::UnboundedReceiver<RefreshRequest>,
    /// Asks that have not been answered yet.
    waiting: VecDeque<RefreshRequest>,
    enrolment: Enrolment,
    schedule: Schedule,
    outage: Outage,
    /// The attempts to use a keychain that failed.
    keychain: Retries,
    session: Arc<Session>,
    clock: Arc<dyn Clock>,
}

impl RefreshLoop {
    /// The task, and a handle that asks it for tokens.
    #[must_use]
    pub(super) fn new(
        enrolment: Enrolment,
        session: Arc<Session>,
        failover: Arc<Failover>,
        config: &ClientConfig,
        clock: Arc<dyn Clock>,
    ) -> (Refresher, Self) {
        let (refresher, asks) = Refresher::new();
        let (schedule, keychain) = (Schedule::new(config), Retries::default());
        let outage = Outage::new(Arc::clone(&session), failover);
        (refresher, Self { asks, waiting: VecDeque::new(), enrolment, schedule, outage, keychain, session, clock })
    }

    /// Runs until the client is closed or every handle is dropped.
    pub(super) async fn run(mut self) {
        while !self.session.is_closed() {
            if let Some(ask) = self.waiting.pop_front() {
                self.serve(ask).await;
                continue;
            }
            let next_look = self.until_next_look();
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.waiting.push_back(ask),
                    None => return,
                },
                () = self.outage.checked() => self.look().await,
                () = tokio::time::sleep(next_look) => self.look().await,
            }
        }
    }

    /// How long the task may sleep. From here on it knows what is out of use.
    fn until_next_look(&mut self) -> Duration {
        let now = self.clock.now();
        self.look_for_service();
        if !self.keychain.are_under_way() {
            let error = self.standing_keychain_error();
            self.keychain.is_due(error, now);
        }
        let others = [self.outage.until_next_check(now), self.keychain.until_next(now)];
        let next_look = self.schedule.until_next_look(self.session.token().as_deref(), now);
        others.into_iter().flatten().fold(next_look, Duration::min).max(SHORTEST_SLEEP)
    }

    async fn serve(&mut self, ask: RefreshRequest) {
        let answer = match (self.answer_without_attempt(ask.reason), ask.reason) {
            (Some(answer), _) => answer,
            (None, Reason::Resumed) => {
                self.schedule.end_wait();
                self.outage.end_wait();
                self.try_keychain().await;
                self.look().await;
                Ok(())
            }
            // The loop asks the session about the outage before it sleeps.
            (None, Reason::LinkChanged) => Ok(()),
            (None, Reason::LinkDoubtful) => {
                self.outage.suspect();
                Ok(())
            }
            (None, Reason::Forced) => {
                self.try_keychain().await;
                self.attempt(Reason::Forced).await
            }
            (None, reason) => self.attempt(reason).await,
        };
        // The caller may have stopped waiting.
        let _ = ask.done.send(answer);
    }

    /// Looks for the service in an outage. At the end of one a token that is due need not wait.
    fn look_for_service(&mut self) {
        if self.outage.look(self.clock.now()) {
            self.schedule.end_wait();
        }
    }

    /// Uses a keychain that failed before, if it works by now.
    async fn try_keychain(&mut self) {
        if self.session.keychain_error().is_some()
            && let Err(error) = self.enrolment.take_up_keychain().await
        {
            tracing::debug!(%error, "The keychain cannot be used yet");
            if error.is_of_keychain() {
                self.session.keychain_failed(error);
            }
        }
    }

    /// Why the keychain is to be tried again. A person who dismissed its prompt, perhaps after the call had been given up, is not
    /// asked by the clock again, and a keychain that was too small is tried with the next token.
    fn standing_keychain_error(&self) -> Option<ClientError> {
        let error = self.session.keychain_error()?;
        if self.enrolment.keychain_was_denied() {
            self.session.keychain_failed(ClientError::KeychainDenied);
            return None;
        }
        Some(error).filter(|error| !matches!(error, ClientError::KeychainTooSmall))
    }

    /// Gets a token if it is due, and tries what is out of use.
    async fn look(&mut self) {
        self.look_for_service();
        let error = self.standing_keychain_error();
        if self.keychain.is_due(error, self.clock.now()) {
            self.try_keychain().await;
        }
        let is_due = self.schedule.is_due(self.session.token().as_deref(), self.clock.now());
        if is_due && !self.session.is_closed() {
            // The session has told the app of a failure.
            let _ = self.attempt(Reason::Aged(self.session.generation())).await;
        }
    }

    async fn attempt(&mut self, reason: Reason) -> Result<(), ClientError> {
        let is_rejected = matches!(reason, Reason::Rejected(_));
        let living = self.session.token().filter(|token| !is_rejected && !token.is_expired(self.clock.now()));
        self.session.set_refreshing(true);
        let result = self.enrolment.renew(wanted(reason), living.as_deref()).await;
        match &result {
            Ok(Renewal::Issued) => self.schedule.succeeded(reason, self.clock.now()),
            Ok(Renewal::TakenOver) => self.schedule.ended(),
            // The client was closed while it waited for its turn.
            Err(ClientError::Closed) => {}
            Err(error) => {
                self.schedule.failed(error, self.clock.now());
                self.session.failed(error, self.schedule.retries_at());
            }
        }
        self.session.set_refreshing(false);
        let result = result.map(|_| ());
        self.answer_those_who_joined(reason, &result);
        result
    }

    /// Gives the result of an attempt to the callers that asked during it, except those that wait for their own.
    fn answer_those_who_joined(&mut self, attempt: Reason, result: &Result<(), ClientError>) {
        while let Ok(ask) = self.asks.try_recv() {
            self.waiting.push_back(ask);
        }
        for ask in std::mem::take(&mut self.waiting) {
            if ask.reason.joins(attempt) {
                let answer = self.answer_without_attempt(ask.reason).unwrap_or_else(|| result.clone());
                let _ = ask.done.send(answer);
            } else {
                self.waiting.push_back(ask);
            }
        }
    }

    /// The answer to a request that needs no attempt: its token has been replaced, or an attempt has just failed.
    fn answer_without_attempt(&self, reason: Reason) -> Option<Result<(), ClientError>> {
        let (Reason::Aged(generation) | Reason::Rejected(generation)) = reason else { return None };
        if self.session.generation() > generation {
            return Some(Ok(()));
        }
        let error = self.schedule.refusal(reason, self.session.token().as_deref(), self.clock.now())?;
        if matches!(reason, Reason::Rejected(_)) && error.is_refusal() {
            self.session.refused_again(&error);
        }
        Some(Err(error))
    }
}

/// The token that an attempt for `reason` is to bring.
fn wanted(reason: Reason) -> Wanted {
    match reason {
        Reason::Rejected(_) => Wanted::Other,
        Reason::Forced => Wanted::New,
        _ => Wanted::Fresh,
    }
}

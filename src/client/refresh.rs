//! Decides when the next wrapper token is wanted, by the clock or because a caller asks.
//!
//! One task makes all attempts, so there is only one at a time, and a caller that stops waiting does not cancel it. The
//! task compares the wall clock at short intervals: a sleeping laptop stops its timers. A failed attempt takes no
//! living token away.

mod backoff;
mod request;
mod schedule;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;

use self::request::RefreshRequest;
pub use self::request::{Reason, Refresher};
use self::schedule::Schedule;
use super::config::ClientConfig;
use super::enrolment::Enrolment;
use super::error::ClientError;
use super::session::Session;
use crate::clock::Clock;

/// The task that decides when to get a token.
pub(super) struct RefreshLoop {
    asks: mpsc::UnboundedReceiver<RefreshRequest>,
    /// Asks that have not been answered yet.
    waiting: VecDeque<RefreshRequest>,
    enrolment: Enrolment,
    schedule: Schedule,
    session: Arc<Session>,
    clock: Arc<dyn Clock>,
}

impl RefreshLoop {
    /// The task, and a handle that asks it for tokens.
    #[must_use]
    pub(super) fn new(
        enrolment: Enrolment,
        session: Arc<Session>,
        config: &ClientConfig,
        clock: Arc<dyn Clock>,
    ) -> (Refresher, Self) {
        let (refresher, asks) = Refresher::new();
        let schedule = Schedule::new(config);
        (refresher, Self { asks, waiting: VecDeque::new(), enrolment, schedule, session, clock })
    }

    /// Runs until the client is closed or every handle is dropped.
    pub(super) async fn run(mut self) {
        while !self.session.is_closed() {
            if let Some(ask) = self.waiting.pop_front() {
                self.serve(ask).await;
                continue;
            }
            let next_look = self.schedule.until_next_look(self.session.token().as_deref(), self.clock.now());
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.waiting.push_back(ask),
                    None => return,
                },
                () = tokio::time::sleep(next_look) => self.look().await,
            }
        }
    }

    async fn serve(&mut self, ask: RefreshRequest) {
        let answer = match self.answer_without_attempt(ask.reason) {
            Some(answer) => answer,
            None if ask.reason == Reason::Resumed => {
                self.schedule.end_wait();
                self.look().await;
                Ok(())
            }
            None => self.attempt(ask.reason).await,
        };
        // The caller may have stopped waiting.
        let _ = ask.done.send(answer);
    }

    /// Gets a token if it is due.
    async fn look(&mut self) {
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
        let result = self.enrolment.renew(living.as_deref()).await;
        match &result {
            Ok(()) => self.schedule.succeeded(reason, self.clock.now()),
            Err(error) => {
                self.schedule.failed(error, self.clock.now());
                self.session.failed(error);
            }
        }
        self.session.set_refreshing(false);
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
        self.schedule.refusal(reason, self.session.token().as_deref(), self.clock.now()).map(Err)
    }
}

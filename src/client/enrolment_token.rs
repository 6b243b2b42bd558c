//! The enrolment token: a value of the options, or one that the app is asked for whenever the device enrols.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::error::ClientError;
use super::status::{Event, EventSink};
use crate::lock::lock;
use crate::secret::Secret;

/// Where the enrolment token comes from.
#[derive(Debug, Clone, Default)]
pub enum EnrolmentToken {
    /// The device enrols without one.
    #[default]
    Absent,
    /// The app gave it with its options.
    Given(Secret),
    /// The app is asked for it each time.
    Asked(Arc<EnrolmentQuestion>),
}

impl EnrolmentToken {
    /// The token for a device that enrols now.
    pub async fn get(&self) -> Result<Option<Secret>, ClientError> {
        match self {
            Self::Absent => Ok(None),
            Self::Given(token) => Ok(Some(token.clone())),
            Self::Asked(question) => question.ask().await,
        }
    }
}

/// Asks the app for its enrolment token by an event, and takes its answer. One question is open at a time.
pub struct EnrolmentQuestion {
    events: EventSink,
    limit: Duration,
    asked: AtomicU32,
    open: Mutex<Option<OpenQuestion>>,
}

struct OpenQuestion {
    number: u32,
    answer: oneshot::Sender<Result<Option<Secret>, ClientError>>,
}

impl EnrolmentQuestion {
    /// Asks by `events`; an answer that takes longer than a minute is none.
    #[must_use]
    pub fn new(events: EventSink) -> Self {
        Self { events, limit: LIMIT, asked: AtomicU32::new(0), open: Mutex::new(None) }
    }

    async fn ask(&self) -> Result<Option<Secret>, ClientError> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        *lock(&self.open) = Some(OpenQuestion { number, answer });
        (self.events)(Event::Enrolment(number));
        match timeout(self.limit, answered).await {
            Ok(Ok(answer)) => answer,
            // A later question has taken the place of this one.
            Ok(Err(_)) => Err(ClientError::EnrolmentToken("it was asked again")),
            Err(_) => Err(ClientError::EnrolmentToken("its function did not answer within a minute")),
        }
    }

    /// Answers the question of this number: with a token, with none, or with the failure of the app's function.
    pub fn answer(&self, number: u32, token: Option<Secret>, has_failed: bool) {
        let question = lock(&self.open).take_if(|open| open.number == number);
        if let Some(question) = question {
            let failed = Err(ClientError::EnrolmentToken("its function failed"));
            // The start that asked may have ended.
            let _ = question.answer.send(if has_failed { failed } else { Ok(token) });
        }
    }
}

impl fmt::Debug for EnrolmentQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolmentQuestion").finish_non_exhaustive()
    }
}

/// How long the app's function may take: it may ask a person.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    /// A question, and the numbers that the app was asked by.
    fn question() -> (Arc<EnrolmentQuestion>, Arc<Mutex<Vec<u32>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let events: EventSink = Arc::new(move |event| {
            if let Event::Enrolment(number) = event {
                lock(&heard).push(number);
            }
        });
        (Arc::new(EnrolmentQuestion::new(events)), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn the_app_is_asked_each_time_and_answers_by_number() {
        let (question, asked) = question();
        let token = EnrolmentToken::Asked(Arc::clone(&question));
        for number in [0, 1] {
            let (got, ()) = tokio::join!(token.get(), async {
                assert_eq!(lock(&asked).last(), Some(&number));
                question.answer(number + 7, Some(Secret::new("of another question")), false);
                question.answer(number, Some(Secret::new("canary")), false);
            });
            assert_eq!(got.unwrap().unwrap().expose(), "canary");
        }
        // An answer that nobody waits for does nothing.
        question.answer(1, None, true);
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_that_fails_or_says_nothing_is_an_error_of_its_own() {
        let (question, _) = question();
        let token = EnrolmentToken::Asked(Arc::clone(&question));
        let (got, ()) = tokio::join!(token.get(), async { question.answer(0, None, true) });
        assert_eq!(got.unwrap_err().code(), "VALET_ENROLMENT_TOKEN");
        let silent = token.get().await.unwrap_err();
        assert!(silent.is_retryable() && silent.to_string().contains("within a minute"), "{silent}");
        let (none, ()) = tokio::join!(token.get(), async { question.answer(2, None, false) });
        assert!(none.unwrap().is_none());
    }
}

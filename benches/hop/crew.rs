//! Connections that make requests in a closed loop, all at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::answer::{Answer, Expected};
use crate::exchange::{Connection, Exchange, Timing};
use crate::failure::Failure;
use crate::target::Target;

/// The connections to one contestant.
pub struct Crew {
    target: &'static str,
    exchange: Arc<Exchange>,
    members: Vec<Member>,
}

struct Member {
    connection: Connection,
    request: Arc<[u8]>,
    timings: Vec<Timing>,
}

impl Crew {
    /// Opens `size` connections. They use the tokens of different devices, as far as the target has so many.
    pub async fn gather(target: &Target, exchange: &Arc<Exchange>, size: usize) -> Result<Self, Failure> {
        let case = exchange.case;
        let mut members = Vec::with_capacity(size);
        for device in 0..size {
            let connection = Connection::open(target.address(case)).await?;
            let request = target.request(case, &exchange.body, device);
            members.push(Member { connection, request, timings: Vec::new() });
        }
        Ok(Self { target: target.name, exchange: Arc::clone(exchange), members })
    }

    /// Makes `count` requests, each over the next free connection, and returns how long each took.
    pub async fn work(&mut self, count: usize) -> Result<Vec<Timing>, Failure> {
        let left = Arc::new(AtomicUsize::new(count));
        // Streams that begin at the same moment would send all their events at the same moments.
        let pause = if self.exchange.case.is_stream() {
            SPREAD / u32::try_from(self.members.len()).unwrap_or(1)
        } else {
            Duration::ZERO
        };
        let mut running = JoinSet::new();
        for (number, member) in (0..).zip(self.members.drain(..)) {
            let (left, exchange) = (Arc::clone(&left), Arc::clone(&self.exchange));
            running.spawn(async move {
                tokio::time::sleep(pause * number).await;
                member.work(&exchange, &left).await
            });
        }
        let mut timings = Vec::with_capacity(count);
        while let Some(ended) = tokio::time::timeout(LIMIT, running.join_next()).await.map_err(|_| self.stuck())? {
            let worked = ended.map_err(|error| error.to_string()).and_then(|worked| worked);
            let mut member = worked.map_err(|reason| self.wrong(reason))?;
            timings.append(&mut member.timings);
            self.members.push(member);
        }
        Ok(timings)
    }

    fn stuck(&self) -> Failure {
        Failure::Stuck { target: self.target, case: self.exchange.case.key() }
    }

    fn wrong(&self, reason: String) -> Failure {
        Failure::WrongAnswer { target: self.target, case: self.exchange.case.key(), reason }
    }
}

impl Member {
    async fn work(mut self, exchange: &Exchange, left: &AtomicUsize) -> Result<Self, String> {
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let mut answer = Answer::new(Expected::Body(Arc::clone(&exchange.expected)));
            let timing = self.connection.exchange(&self.request, &mut answer).await?;
            self.timings.push(timing);
        }
        Ok(self)
    }
}

/// The streams of a crew begin within this time.
const SPREAD: Duration = Duration::from_millis(20);

/// The time limit of a round, which no healthy round comes near.
const LIMIT: Duration = Duration::from_secs(60);

//! The time that a hop adds to a single request. Requests are made one at a time, to each contestant in turn, so that
//! all contestants see the same machine.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::answer::{Answer, Expected};
use crate::exchange::{Connection, Exchange, Timing};
use crate::failure::Failure;
use crate::numbers::Spread;
use crate::target::Target;

/// The single requests of one case to one contestant.
#[derive(Debug, Serialize)]
pub struct Singles {
    /// The key of the load.
    pub case: &'static str,
    pub target: &'static str,
    /// Until the first byte of an answer.
    pub first_byte: Spread,
    /// Until its last byte.
    pub total: Spread,
}

/// Makes `count` requests to each of `targets`.
pub async fn run(exchange: &Arc<Exchange>, targets: &[&Target], count: usize) -> Result<Vec<Singles>, Failure> {
    let case = exchange.case;
    eprintln!("{}: one at a time", case.key());
    let mut lines = Vec::new();
    for target in targets {
        let connection = Connection::open(target.address(case)).await?;
        let request = target.request(case, &exchange.body, 0);
        lines.push((target.name, connection, request, Vec::with_capacity(count)));
    }
    for number in 0..WARM_UP + count {
        for place in 0..lines.len() {
            let next = (number + place) % lines.len();
            let (target, connection, request, timings) = &mut lines[next];
            let mut answer = Answer::new(Expected::Body(Arc::clone(&exchange.expected)));
            let timing = tokio::time::timeout(LIMIT, connection.exchange(request, &mut answer)).await;
            let timing = timing.map_err(|_| Failure::Stuck { target, case: case.key() })?;
            let wrong = |reason| Failure::WrongAnswer { target, case: case.key(), reason };
            timings.push(timing.map_err(wrong)?);
        }
    }
    let singles = |(target, _, _, timings): (_, _, _, Vec<Timing>)| {
        let timings = &timings[WARM_UP..];
        let first_byte = Spread::of(timings.iter().map(|timing| timing.first_byte));
        Singles { case: case.key(), target, first_byte, total: Spread::of(timings.iter().map(|timing| timing.total)) }
    };
    Ok(lines.into_iter().map(singles).collect())
}

/// The time limit of a single answer, which no healthy answer comes near.
const LIMIT: Duration = Duration::from_secs(10);

const WARM_UP: usize = 20;

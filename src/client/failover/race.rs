//! Asks several endpoints in their order, the next one when a check fails or takes too long, and takes the first that is well.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::client::error::ClientError;

/// How a race ended.
pub(super) struct Finish {
    /// The place of the first that was well, and how long its check took.
    pub winner: Option<(usize, Duration)>,
    /// The places of those that failed, or that began before the winner and had no answer yet.
    pub losers: Vec<usize>,
    /// Why there is no winner; `None` if something else than the service has answered.
    pub error: Option<ClientError>,
}

/// Makes the check of each place; a place is waited for as long as its head start says before the next one begins, too. A check
/// that says false was answered by something else than the service.
pub(super) async fn race<F>(head_starts: &[Duration], check: impl Fn(usize) -> F) -> Finish
where
    F: Future<Output = Result<bool, ClientError>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let (mut begun, mut next_start) = (0, Instant::now());
    let mut failed: Vec<(usize, Option<ClientError>)> = Vec::new();
    while begun < head_starts.len() || !running.is_empty() {
        tokio::select! {
            biased;
            Some(done) = running.join_next(), if !running.is_empty() => {
                match done {
                    Ok((place, Ok(true), took)) => return won(place, took, &failed),
                    Ok((place, result, _)) => failed.push((place, result.err())),
                    // A check that panicked has found nothing.
                    Err(_) => {}
                }
                next_start = Instant::now();
            }
            () = sleep_until(next_start), if begun < head_starts.len() => {
                let (place, checking, now) = (begun, check(begun), Instant::now());
                running.spawn(async move { (place, checking.await, now.elapsed()) });
                next_start = now + head_starts[place];
                begun += 1;
            }
        }
    }
    failed.sort_by_key(|(place, _)| *place);
    let losers = failed.iter().map(|(place, _)| *place).collect();
    let is_strange = failed.iter().any(|(_, error)| error.is_none());
    let error = failed.into_iter().find_map(|(_, error)| error).filter(|_| !is_strange);
    Finish { winner: None, losers, error }
}

fn won(winner: usize, took: Duration, failed: &[(usize, Option<ClientError>)]) -> Finish {
    let later = failed.iter().map(|(place, _)| *place).filter(|place| *place > winner);
    Finish { winner: Some((winner, took)), losers: (0..winner).chain(later).collect(), error: None }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::client::error::Cause;

    /// What a check says, after so many milliseconds.
    type Script = (u64, Option<bool>);

    async fn run(scripts: &'static [Script]) -> Finish {
        let head_starts = vec![Duration::from_millis(500); scripts.len()];
        race(&head_starts, |place| async move {
            let (after, says) = scripts[place];
            sleep(Duration::from_millis(after)).await;
            says.ok_or_else(|| ClientError::Network(Cause { message: place.to_string(), ..Cause::default() }))
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn f94_the_first_that_is_well_wins_and_those_before_it_have_lost() {
        let began = Instant::now();
        let finish = run(&[(60_000, Some(true)), (0, None), (10, Some(true))]).await;
        assert_eq!((finish.winner.map(|(place, _)| place), finish.losers), (Some(2), vec![0, 1]));
        assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn f94_one_that_answers_within_its_head_start_wins_alone() {
        let finish = run(&[(400, Some(true)), (0, Some(true))]).await;
        assert_eq!((finish.winner.map(|(place, _)| place), finish.losers), (Some(0), Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn f93_when_all_fail_the_error_is_of_the_first() {
        let finish = run(&[(700, None), (0, None)]).await;
        assert!(finish.winner.is_none());
        assert!(finish.error.unwrap().to_string().ends_with(": 0"));
        let finish = run(&[(0, Some(false)), (0, None)]).await;
        assert!(finish.winner.is_none() && finish.error.is_none(), "something else answers");
    }
}

//! Authorises admin requests by the admin token, and locks out addresses that tried too many wrong tokens.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::time::Instant;

use crate::lock::lock;
use crate::secret::Secret;

pub(super) struct Guard {
    token: Arc<ArcSwapOption<Secret>>,
    sources: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GuardError {
    /// The service has no admin token, so the admin API is off.
    Off,
    /// The token is missing or wrong.
    Wrong,
    /// Too many wrong tokens from this address; locked out for so long.
    LockedOut(Duration),
}

impl Guard {
    /// `token` may change. `None` refuses every request.
    pub(super) fn new(token: Arc<ArcSwapOption<Secret>>) -> Self {
        Self { token, sources: Mutex::default() }
    }

    /// Judges a request from `source`. The right token is accepted from a locked-out address too, or any program on an
    /// administrator's machine could lock the administrator out; the token is too long to be guessed. Requests without
    /// a token, as probes send them, do not count as guesses.
    pub(super) fn check(&self, source: IpAddr, headers: &HeaderMap) -> Result<(), GuardError> {
        let token = self.token.load_full().ok_or(GuardError::Off)?;
        let now = Instant::now();
        let mut sources = lock(&self.sources);
        sources.retain(|_, failures| now - failures.since < LOCK_OUT);
        if presented(headers).is_some_and(|presented| token.matches(presented)) {
            sources.remove(&source);
            return Ok(());
        }
        if let Some(failures) = sources.get(&source)
            && failures.count >= MOST_FAILURES
        {
            return Err(GuardError::LockedOut(LOCK_OUT.saturating_sub(now - failures.since)));
        }
        if !headers.contains_key(AUTHORIZATION) {
            return Err(GuardError::Wrong);
        }
        if sources.len() < MOST_SOURCES || sources.contains_key(&source) {
            let failures = sources.entry(source).or_insert(Failures { count: 0, since: now });
            failures.count += 1;
            failures.since = now;
        }
        Err(GuardError::Wrong)
    }
}

/// The bearer token, if the request has exactly one credential.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let first = values.next().filter(|_| values.next().is_none())?.as_bytes();
    let (scheme, token) = first.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

const MOST_FAILURES: u32 = 5;
const LOCK_OUT: Duration = Duration::from_secs(60);

/// Most remembered addresses. Against more addresses that guess at once, only the length of the token protects.
const MOST_SOURCES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "an admin token of 32 bytes or so";
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn with(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
    }

    fn guard_of(token: Option<&str>) -> Guard {
        Guard::new(Arc::new(ArcSwapOption::from_pointee(token.map(Secret::new))))
    }

    #[tokio::test(start_paused = true)]
    async fn a19_only_the_whole_token_sent_once_is_accepted() {
        let guard = guard_of(Some(TOKEN));
        let good = format!("Bearer {TOKEN}");
        for bad in [&[][..], &[TOKEN], &["Bearer "], &["Basic x"], &[&good, &good], &[&format!("{good} ")]] {
            assert_eq!(guard.check(HERE, &with(bad)), Err(GuardError::Wrong), "{bad:?}");
            assert_eq!(guard.check(HERE, &with(&[&good])), Ok(()), "and it does not lock the right one out");
        }
        assert_eq!(guard_of(None).check(HERE, &with(&["Bearer "])), Err(GuardError::Off));
    }

    #[tokio::test(start_paused = true)]
    async fn a19_a_source_that_guesses_is_locked_out_and_others_are_not() {
        let guard = guard_of(Some(TOKEN));
        let good = with(&[&format!("Bearer {TOKEN}")]);
        for _ in 0..MOST_FAILURES {
            assert_eq!(guard.check(HERE, &with(&["Bearer guess"])), Err(GuardError::Wrong));
        }
        assert!(matches!(guard.check(HERE, &with(&["Bearer guess"])), Err(GuardError::LockedOut(_))));
        assert_eq!(guard.check("192.0.2.1".parse().unwrap(), &with(&["Bearer guess"])), Err(GuardError::Wrong));
        assert_eq!(guard.check(HERE, &good), Ok(()), "and nobody can lock the right token out");
        tokio::time::advance(LOCK_OUT).await;
        assert_eq!(guard.check(HERE, &with(&["Bearer guess"])), Err(GuardError::Wrong));
    }
}

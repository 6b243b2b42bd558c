//! Checks this machine's clock against the date of the upstream's answers.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::DATE;

use super::Finding;

/// Compares `now` with the date of an answer that has just arrived.
pub(super) fn judge(headers: &HeaderMap, now: SystemTime) -> Finding {
    let date =
        headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(date) = date else { return Finding::ok(CHECK, "not compared: the upstream tells no time") };
    let (skew, direction) = match now.duration_since(date) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let found = format!("{} s {direction} the upstream's", skew.as_secs());
    if skew <= MOST { Finding::ok(CHECK, found) } else { Finding::problem(CHECK, found, ADVICE) }
}

const CHECK: &str = "clock";

/// The skew that instances allow each other's tokens.
const MOST: Duration = Duration::from_secs(30);
const ADVICE: &str = "set the clock (timedatectl, NTP): tokens and usage carry its time";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::diagnose::doctor::Verdict;

    #[test]
    fn a_clock_may_be_half_a_minute_off_in_either_direction() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let at = httpdate::parse_http_date(date).unwrap();
        let headers: HeaderMap = [(DATE, date.parse().unwrap())].into_iter().collect();
        let verdict = |now| judge(&headers, now).verdict;
        for (seconds, expected) in [(0, Verdict::Ok), (30, Verdict::Ok), (31, Verdict::Problem)] {
            let off = Duration::from_secs(seconds);
            assert_eq!((verdict(at + off), verdict(at - off)), (expected, expected), "{seconds}");
        }
        assert_eq!(judge(&HeaderMap::new(), at).verdict, Verdict::Ok);
    }
}

//! Checks whether the upstream accepts the real key.

use http::StatusCode;

use super::finding::whole;
use super::{Finding, upstream_clock};
use crate::clock::Clock;
use crate::service::relay::key_swap;
use crate::service::relay::key_swap::UpstreamConfig;
use crate::transport::connect::Connector;

/// Asks the upstream for one model. The answer also shows the upstream's time.
pub(super) async fn examine(config: &UpstreamConfig, connector: Connector, clock: &dyn Clock) -> Vec<Finding> {
    match key_swap::ask(config, connector).await {
        Ok(answer) => vec![judge(answer.status()), upstream_clock::judge(answer.headers(), clock.now())],
        Err(error) => {
            vec![Finding::problem(CHECK, format!("no answer: {}", whole(&error)), "try again; look at the network")]
        }
    }
}

fn judge(status: StatusCode) -> Finding {
    let found = format!("GET /v1/models?limit=1 is answered with {status}");
    let (problem, advice) = match status.as_u16() {
        200..=299 => return Finding::ok(CHECK, "accepted"),
        401 => (true, "the key is not accepted: look at ANTHROPIC_API_KEY and UPSTREAM_AUTH_HEADER"),
        403 => (true, "the key has no right to this, or the upstream refuses this network or country"),
        300..=399 => (true, "ANTHROPIC_BASE_URL is not where the API is"),
        404 | 405 => (false, "this upstream lists no models, so whether it accepts the key is not known"),
        429 => (false, "the key is known and has reached a limit"),
        _ => (false, "whether the key is accepted is not known; try again"),
    };
    if problem { Finding::problem(CHECK, found, advice) } else { Finding::warning(CHECK, found, advice) }
}

const CHECK: &str = "key";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::diagnose::doctor::Verdict;

    #[test]
    fn only_a_refusal_is_a_problem_and_an_upstream_error_is_a_warning() {
        for (status, verdict) in [
            (200, Verdict::Ok),
            (401, Verdict::Problem),
            (403, Verdict::Problem),
            (301, Verdict::Problem),
            (404, Verdict::Warning),
            (429, Verdict::Warning),
            (529, Verdict::Warning),
        ] {
            let finding = judge(StatusCode::from_u16(status).unwrap());
            assert_eq!(finding.verdict, verdict, "{status}");
            assert_eq!(finding.advice.is_empty(), verdict == Verdict::Ok, "{status}");
        }
    }
}

//! Checks whether the upstream accepts the real key for messages.

use http::StatusCode;

use super::finding::whole;
use super::{Finding, upstream_clock};
use crate::clock::Clock;
use crate::service::relay::key_probe::{self, KeyVerdict};
use crate::service::relay::key_source::KeySource;
use crate::service::relay::key_swap::{KeySwap, UpstreamConfig};
use crate::transport::connect::Connector;

/// Reads the key, and sends the key probe once. The answer also shows the upstream's time.
pub(super) async fn examine(config: &UpstreamConfig, connector: Connector, clock: &dyn Clock) -> Vec<Finding> {
    let swap = match config.key.read().await {
        Ok(key) => KeySwap::new(config.auth, key),
        Err(error) => return vec![Finding::problem(CHECK, whole(&error), "run the command by hand")],
    };
    match key_probe::ask(&swap, connector, config.first_byte_timeout).await {
        Ok(answer) => vec![judge(answer.status(), &config.key), upstream_clock::judge(answer.headers(), clock.now())],
        Err(error) => {
            vec![Finding::problem(CHECK, format!("no answer: {}", whole(&error)), "try again; look at the network")]
        }
    }
}

fn judge(status: StatusCode, source: &KeySource) -> Finding {
    let found = format!("an empty POST /v1/messages is answered with {status}");
    let advice = match (KeyVerdict::of(status), status.as_u16()) {
        (KeyVerdict::Accepted, _) => {
            return match source {
                KeySource::Given { file: None, .. } => Finding::ok(CHECK, "accepted for messages"),
                source => Finding::ok(CHECK, format!("accepted for messages, {source}")),
            };
        }
        (KeyVerdict::Refused, 401) => "the key is not accepted: look at ANTHROPIC_API_KEY and UPSTREAM_AUTH_HEADER",
        (KeyVerdict::Refused, _) => "the key may send no messages, or the upstream refuses this network or country",
        (KeyVerdict::Unknown, 300..=399 | 404 | 405) => "ANTHROPIC_BASE_URL is not where the API is",
        (KeyVerdict::Unknown, 402) => return Finding::warning(CHECK, found, "look at the account's billing"),
        (KeyVerdict::Unknown, 429) => {
            return Finding::warning(CHECK, found, "the key is known and has reached a limit");
        }
        (KeyVerdict::Unknown, _) => {
            return Finding::warning(CHECK, found, "whether the key is accepted is not known; try again");
        }
    };
    Finding::problem(CHECK, found, advice)
}

const CHECK: &str = "key";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::service::diagnose::doctor::Verdict;

    #[test]
    fn only_a_refusal_is_a_problem_and_an_upstream_error_is_a_warning() {
        for (status, verdict) in [
            (200, Verdict::Ok),
            (400, Verdict::Ok),
            (401, Verdict::Problem),
            (403, Verdict::Problem),
            (301, Verdict::Problem),
            (404, Verdict::Problem),
            (402, Verdict::Warning),
            (429, Verdict::Warning),
            (529, Verdict::Warning),
        ] {
            let source = KeySource::Given { key: Secret::new("key"), file: None };
            let finding = judge(StatusCode::from_u16(status).unwrap(), &source);
            assert_eq!(finding.verdict, verdict, "{status}");
            assert_eq!(finding.advice.is_empty(), verdict == Verdict::Ok, "{status}");
        }
    }
}

//! Which models a batch asks for, and whether its token may.

use std::task::{Context, Poll};

use crate::service::json::{Found, RequestsScanner};
use crate::service::model::{ModelRule, shown};
use crate::transport::hold::{Inspector, Refusal};
use crate::wire::ErrorCode;

/// Reads the model of every request in a batch as it passes, for a token that may not ask for any.
pub(super) struct BatchModels {
    scanner: RequestsScanner,
    rule: ModelRule,
    found: Vec<Found>,
}

impl BatchModels {
    /// Lets a batch pass if `rule` allows the model of each of its requests.
    #[must_use]
    pub(super) fn new(rule: ModelRule) -> Self {
        Self { scanner: RequestsScanner::new(), rule, found: Vec::new() }
    }

    fn judge(&self, found: &Found) -> Result<(), Refusal> {
        let raw = match found {
            Found::Value(raw) => raw,
            Found::Nothing => return Err(ambiguous("a request has no `params.model`")),
            Found::Repeated => return Err(ambiguous("a request has more than one `params.model`")),
            Found::TooLong => return Err(ambiguous("a `params.model` is not a short text")),
        };
        let Ok(model) = serde_json::from_slice::<String>(raw) else {
            return Err(ambiguous("a `params.model` is not a short text"));
        };
        if self.rule.allows(&model) {
            return Ok(());
        }
        let message = format!("model: {} is not available to this device", shown(&model));
        Err(Refusal { code: ErrorCode::ModelNotAllowed, message })
    }
}

impl Inspector for BatchModels {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let mut found = std::mem::take(&mut self.found);
        let malformed = |_| ambiguous("the body is not a JSON object with one list of `requests`");
        self.scanner.feed(bytes, &mut found).map_err(malformed)?;
        found.iter().try_for_each(|found| self.judge(found))?;
        // The allocation is used again.
        found.clear();
        self.found = found;
        Ok(())
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        let complete = self.scanner.is_complete();
        Poll::Ready(if complete { Ok(()) } else { Err(ambiguous("the body is not a complete list of `requests`")) })
    }
}

fn ambiguous(reason: &str) -> Refusal {
    Refusal { code: ErrorCode::ModelAmbiguous, message: format!("The models cannot be told for certain: {reason}") }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn verdict(body: &str) -> Result<(), ErrorCode> {
        let mut inspector = BatchModels::new(ModelRule::from_claim(vec!["a".into(), "b*".into()]));
        let passed = body.as_bytes().chunks(7).try_for_each(|piece| inspector.piece(piece));
        let ended = passed.and_then(|()| match inspector.poll_end(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(verdict) => verdict,
            Poll::Pending => unreachable!("it waits for nothing"),
        });
        ended.map_err(|refusal| refusal.code)
    }

    #[test]
    fn a30_every_request_of_a_batch_is_judged() {
        let batch = |models: &[&str]| {
            let requests: Vec<_> = models.iter().map(|model| format!(r#"{{"params":{{"model":{model}}}}}"#)).collect();
            format!(r#"{{"requests":[{}]}}"#, requests.join(","))
        };
        assert_eq!(verdict(&batch(&[r#""a""#, r#""b-1""#, r#""\u0061""#])), Ok(()));
        for (model, code) in [
            (r#""c""#, ErrorCode::ModelNotAllowed),
            (r#""A""#, ErrorCode::ModelNotAllowed),
            ("7", ErrorCode::ModelAmbiguous),
            ("null", ErrorCode::ModelAmbiguous),
            (r#""a","model":"a""#, ErrorCode::ModelAmbiguous),
        ] {
            assert_eq!(verdict(&batch(&[r#""a""#, model, r#""a""#])), Err(code), "{model}");
        }
        for body in [r#"{"requests":[{}]}"#, r#"{"model":"a"}"#, r#"{"requests":["#, "", "x"] {
            assert_eq!(verdict(body), Err(ErrorCode::ModelAmbiguous), "{body}");
        }
    }
}

//! Inspector that checks the models of a batch against the token's models.

use std::task::{Context, Poll};

use crate::service::base::json::{Found, RequestModels, RequestsScanner};
use crate::service::relay::request_body::{named, shown};
use crate::service::token::models::ModelRule;
use crate::transport::buffered_body::{Inspector, RefusedBodyError};
use crate::wire::ErrorCode;

/// Reads the models of every request in a batch as it passes, for a token that is limited to some models.
pub(super) struct BatchModels {
    scanner: RequestsScanner,
    rule: ModelRule,
    asked: RequestModels,
}

impl BatchModels {
    /// Lets a batch pass if `rule` allows all models of each of its requests.
    pub(super) fn new(rule: ModelRule) -> Self {
        Self { scanner: RequestsScanner::new(), rule, asked: RequestModels::default() }
    }

    fn judge(&self, asked: &RequestModels) -> Result<(), RefusedBodyError> {
        asked.models.iter().try_for_each(|found| match found {
            Found::Nothing => Err(ambiguous("a request has no `params.model`")),
            Found::Repeated => Err(ambiguous("a request has more than one `params.model`")),
            found => self.allow(found, "a `params.model` is not a short text"),
        })?;
        let reason = "the `model` of a tool or a fallback is not one short text";
        asked.others.iter().try_for_each(|found| self.allow(found, reason))
    }

    fn allow(&self, found: &Found, reason: &str) -> Result<(), RefusedBodyError> {
        let Some(model) = named(found) else { return Err(ambiguous(reason)) };
        if self.rule.allows(&model) {
            return Ok(());
        }
        let message = format!("model: {} is not available to this device", shown(&model));
        Err(RefusedBodyError { code: ErrorCode::ModelNotAllowed, message })
    }
}

impl Inspector for BatchModels {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        let mut asked = std::mem::take(&mut self.asked);
        let malformed = |_| ambiguous("the body is not a JSON object with one list of `requests`");
        self.scanner.feed(bytes, &mut asked).map_err(malformed)?;
        self.judge(&asked)?;
        // The allocations are used again.
        asked.models.clear();
        asked.others.clear();
        self.asked = asked;
        Ok(())
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        let complete = self.scanner.is_complete();
        Poll::Ready(if complete { Ok(()) } else { Err(ambiguous("the body is not a complete list of `requests`")) })
    }
}

fn ambiguous(reason: &str) -> RefusedBodyError {
    RefusedBodyError {
        code: ErrorCode::ModelAmbiguous,
        message: format!("The models cannot be told for certain: {reason}"),
    }
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
    fn a33_a_request_with_many_fallbacks_is_not_held_in_memory() {
        let mut inspector = BatchModels::new(ModelRule::from_claim(vec!["a".into()]));
        inspector.piece(br#"{"requests":[{"params":{"model":"a","fallbacks":["a""#).unwrap();
        for _ in 0..1000 {
            inspector.piece(&br#","a""#.repeat(64)).unwrap();
            assert!(inspector.asked.others.is_empty() && inspector.asked.others.capacity() < 512);
        }
        let refusal = inspector.piece(br#","b""#).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::ModelNotAllowed, "before the request ends");
    }

    #[test]
    fn a30_every_request_of_a_batch_is_judged() {
        let batch = |models: &[&str]| {
            let requests: Vec<_> = models.iter().map(|model| format!(r#"{{"params":{{"model":{model}}}}}"#)).collect();
            format!(r#"{{"requests":[{}]}}"#, requests.join(","))
        };
        assert_eq!(verdict(&batch(&[r#""a""#, r#""b-1""#, r#""\u0061""#])), Ok(()));
        assert_eq!(verdict(&batch(&[r#""a","tools":[{"model":"b-1"},{"name":"c"}],"fallbacks":["a"]"#])), Ok(()));
        for (model, code) in [
            (r#""c""#, ErrorCode::ModelNotAllowed),
            (r#""A""#, ErrorCode::ModelNotAllowed),
            ("7", ErrorCode::ModelAmbiguous),
            ("null", ErrorCode::ModelAmbiguous),
            (r#""a","model":"a""#, ErrorCode::ModelAmbiguous),
            (r#""a","tools":[{"type":"advisor","model":"c"}]"#, ErrorCode::ModelNotAllowed),
            (r#""a","fallbacks":[{"model":"c"}]"#, ErrorCode::ModelNotAllowed),
            (r#""a","fallbacks":[{"model":7}]"#, ErrorCode::ModelAmbiguous),
        ] {
            assert_eq!(verdict(&batch(&[r#""a""#, model, r#""a""#])), Err(code), "{model}");
        }
        for body in [r#"{"requests":[{}]}"#, r#"{"model":"a"}"#, r#"{"requests":["#, "", "x"] {
            assert_eq!(verdict(body), Err(ErrorCode::ModelAmbiguous), "{body}");
        }
    }
}

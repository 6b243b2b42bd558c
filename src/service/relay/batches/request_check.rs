//! Inspector that checks the models and features of a batch against what its device may use.

use std::task::{Context, Poll};

use crate::service::base::json::{Found, Mention, MessageDepth, MessageKey, RequestsScanner};
use crate::service::base::shown::shown;
use crate::service::relay::feature_check::{FeatureCheck, UNREADABLE};
use crate::service::relay::request_body::named;
use crate::service::token::models::ModelRule;
use crate::transport::buffered_body::{Inspector, RefusedBodyError};
use crate::wire::ErrorCode;

/// Reads every request in a batch as it passes, for a device that is limited to some models or features.
pub(super) struct RequestCheck {
    scanner: RequestsScanner,
    rule: ModelRule,
    features: FeatureCheck,
    asked: Vec<Mention>,
}

impl RequestCheck {
    /// Lets a batch pass if `rule` allows all models of each of its requests, and `features` all features.
    pub(super) fn new(rule: ModelRule, features: FeatureCheck) -> Self {
        Self { scanner: RequestsScanner::new(MessageDepth::Whole), rule, features, asked: Vec::new() }
    }

    fn judge(&self, Mention { key, found }: &Mention) -> Result<(), RefusedBodyError> {
        match (key, found) {
            _ if self.rule == ModelRule::Any => self.features.judge(*key, found),
            (MessageKey::Unreadable, _) => Err(ambiguous(UNREADABLE)),
            (MessageKey::Model, Found::Nothing) => Err(ambiguous("a request has no `params.model`")),
            (MessageKey::Model, Found::Repeated) => Err(ambiguous("a request has more than one `params.model`")),
            (MessageKey::Model, found) => self.allow(found, "a `params.model` is not a short text"),
            (MessageKey::OtherModel, found) => {
                self.allow(found, "the `model` of a tool or a fallback is not one short text")
            }
            _ => self.features.judge(*key, found),
        }
    }

    fn allow(&self, found: &Found, reason: &str) -> Result<(), RefusedBodyError> {
        let Some(model) = named(found) else { return Err(ambiguous(reason)) };
        if self.rule.allows(&model) {
            return Ok(());
        }
        let message = format!("model: {} is not available to this device", shown(&model));
        Err(RefusedBodyError { code: ErrorCode::ModelNotAllowed, message })
    }

    fn unreadable(&self, reason: &str) -> RefusedBodyError {
        match self.features.unreadable(reason) {
            Err(refusal) if self.rule == ModelRule::Any => refusal,
            _ => ambiguous(reason),
        }
    }
}

impl Inspector for RequestCheck {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        let mut asked = std::mem::take(&mut self.asked);
        let read = self.scanner.feed(bytes, &mut asked);
        read.map_err(|_| self.unreadable("the body is not a JSON object with one list of `requests`"))?;
        asked.iter().try_for_each(|mention| self.judge(mention))?;
        // The allocation is used again.
        asked.clear();
        self.asked = asked;
        Ok(())
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        let complete = self.scanner.is_complete();
        let incomplete = || self.unreadable("the body is not a complete list of `requests`");
        Poll::Ready(if complete { Ok(()) } else { Err(incomplete()) })
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
    use std::sync::Arc;
    use std::task::Waker;

    use super::*;

    fn verdict(body: &str) -> Result<(), ErrorCode> {
        let rule = ModelRule::from_claim(vec!["a".into(), "b*".into()]);
        judged(RequestCheck::new(rule, FeatureCheck::new(None, false)), body)
    }

    fn judged(mut inspector: RequestCheck, body: &str) -> Result<(), ErrorCode> {
        let passed = body.as_bytes().chunks(7).try_for_each(|piece| inspector.piece(piece));
        let ended = passed.and_then(|()| match inspector.poll_end(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(verdict) => verdict,
            Poll::Pending => unreachable!("it waits for nothing"),
        });
        ended.map_err(|refusal| refusal.code)
    }

    #[test]
    fn a33_a_request_with_many_fallbacks_is_not_held_in_memory() {
        let rule = ModelRule::from_claim(vec!["a".into()]);
        let mut inspector = RequestCheck::new(rule, FeatureCheck::new(None, false));
        inspector.piece(br#"{"requests":[{"params":{"model":"a","fallbacks":["a""#).unwrap();
        for _ in 0..1000 {
            inspector.piece(&br#","a""#.repeat(64)).unwrap();
            assert!(inspector.asked.is_empty() && inspector.asked.capacity() < 512);
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

    #[test]
    fn a56_every_request_of_a_batch_is_judged_by_its_features() {
        let policy =
            r#"{"server_tools":[],"fast_mode":false,"max_tokens":8,"threads":false,"service_tier":["standard_only"]}"#;
        let policy = Arc::new(serde_json::from_str(policy).unwrap());
        let verdict = |body: &str| {
            let features = FeatureCheck::new(Some(Arc::clone(&policy)), false);
            judged(RequestCheck::new(ModelRule::Any, features), body)
        };
        for (request, expected) in [
            (r#"{"params":{"model":"m","max_tokens":8,"tools":[{"name":"t"}]}}"#, Ok(())),
            (r#"{"params":{"model":7,"fallbacks":"default","container":"c"}}"#, Ok(())),
            (r#"{"params":{}}"#, Ok(())),
            (r#"{"params":{"speed":"fast"}}"#, Err(ErrorCode::FeatureNotAllowed)),
            (r#"{"params":{"thread":{"type":"create"}}}"#, Err(ErrorCode::FeatureNotAllowed)),
            (r#"{"params":{"service_tier":"auto"}}"#, Err(ErrorCode::FeatureNotAllowed)),
            (r#"{"params":{"tools":[{"type":"web_search_20250305"}]}}"#, Err(ErrorCode::FeatureNotAllowed)),
            (r#"{"params":{"fallbacks":[{"model":"m","max_tokens":9}]}}"#, Err(ErrorCode::FeatureNotAllowed)),
            (r#"{"params":{"max_tokens":1,"max\u005ftokens":9}}"#, Err(ErrorCode::FeatureAmbiguous)),
            (r#"{"params":{"max_tokens":1},"params":{"max_tokens":9}}"#, Err(ErrorCode::FeatureAmbiguous)),
        ] {
            let good = r#"{"custom_id":"a","params":{"model":"m"}}"#;
            assert_eq!(verdict(&format!(r#"{{"requests":[{good},{request},{good}]}}"#)), expected, "{request}");
        }
        for body in [r#"{"requests":["#, "{}", "x", ""] {
            assert_eq!(verdict(body), Err(ErrorCode::FeatureAmbiguous), "{body}");
        }
    }
}

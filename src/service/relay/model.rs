//! The model that a request asks for, and the rule that a token may have about it. The pipeline inspects bodies with
//! it.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use serde_json::from_slice;

use crate::service::base::json::{Found, ModelsScanner, ObjectScanner};
use crate::transport::buffered_body::{Inspector, RefusedBodyError};
use crate::wire::ErrorCode;

/// The models that a token may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRule {
    /// Every model that the upstream key may use.
    Any,
    /// Exact ids, or a beginning and `*`.
    Only(Arc<[String]>),
}

impl ModelRule {
    /// An empty claim allows every model.
    #[must_use]
    pub fn from_claim(models: Vec<String>) -> Self {
        if models.is_empty() { Self::Any } else { Self::Only(models.into()) }
    }

    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => pattern == model,
        };
        match self {
            Self::Any => true,
            Self::Only(patterns) => patterns.iter().any(matches),
        }
    }
}

/// The model asked for, filled in while the body is read.
pub(crate) type AskedModel = Arc<OnceLock<Box<str>>>;

/// Reads the models that a request's body names as it passes, and enforces the rule on exactly the bytes that are
/// forwarded.
///
/// A token that may ask for any model is only metered: the scan ends with the first `model`. Otherwise, or when a
/// budget has to pay, the whole body is scanned, because a second `model` further down could be the one that counts
/// upstream.
pub(crate) struct ModelInspector {
    scan: Scan,
    rule: ModelRule,
    asked: AskedModel,
    finished: bool,
}

enum Scan {
    /// Up to the first `model`.
    First(ObjectScanner<1>),
    /// To the end, for a second `model`.
    Once(ObjectScanner<1>),
    /// To the end, for all models.
    Whole(ModelsScanner),
}

impl ModelInspector {
    #[must_use]
    pub(crate) fn new(rule: ModelRule, asked: AskedModel) -> Self {
        let scan = if rule == ModelRule::Any {
            Scan::First(ObjectScanner::new(["model"]))
        } else {
            Scan::Whole(ModelsScanner::new())
        };
        Self { scan, rule, asked, finished: false }
    }

    /// With `is_priced`, refuses a body that names two models: the upstream could take the dearer one, and the price
    /// must be known.
    #[must_use]
    pub(crate) fn priced(mut self, is_priced: bool) -> Self {
        self.scan = match self.scan {
            Scan::First(scanner) if is_priced => Scan::Once(scanner),
            scan => scan,
        };
        self
    }

    fn is_strict(&self) -> bool {
        self.rule != ModelRule::Any
    }

    fn judge(&mut self) -> Result<(), RefusedBodyError> {
        let found = match &self.scan {
            Scan::First(scanner) | Scan::Once(scanner) => scanner.found(0),
            Scan::Whole(scanner) => scanner.model(),
        };
        let model = match found {
            Found::Nothing => return Ok(()),
            Found::Repeated if !matches!(self.scan, Scan::First(_)) => {
                return Err(ambiguous("`model` appears more than once"));
            }
            found => named(found),
        };
        let Some(model) = model else { return self.refuse("`model` is not a short text") };
        self.allow(&model)?;
        self.asked.get_or_init(|| model.into());
        self.finished = matches!(self.scan, Scan::First(_));
        Ok(())
    }

    /// Judges tools and fallbacks that are models themselves.
    fn judge_others(&self, others: &[Found]) -> Result<(), RefusedBodyError> {
        others.iter().try_for_each(|found| match named(found) {
            Some(model) => self.allow(&model),
            None => Err(ambiguous("the `model` of a tool or a fallback is not one short text")),
        })
    }

    fn allow(&self, model: &str) -> Result<(), RefusedBodyError> {
        if self.rule.allows(model) {
            return Ok(());
        }
        let message = format!("model: {} is not available to this device", shown(model));
        Err(RefusedBodyError { code: ErrorCode::ModelNotAllowed, message })
    }

    /// Refuses the body for a restricted token; for any other token the upstream may judge.
    fn refuse(&mut self, reason: &str) -> Result<(), RefusedBodyError> {
        self.finished = !self.is_strict();
        if self.finished { Ok(()) } else { Err(ambiguous(reason)) }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        let mut others = Vec::new();
        let read = match &mut self.scan {
            Scan::First(scanner) => scanner.feed_until_found(bytes),
            Scan::Once(scanner) => scanner.feed(bytes),
            Scan::Whole(scanner) => scanner.feed(bytes, &mut others),
        };
        if read.is_err() {
            return self.refuse("the body is not a JSON object");
        }
        self.judge_others(&others)?;
        self.judge()
    }

    fn end(&mut self) -> Result<(), RefusedBodyError> {
        let Scan::Whole(scanner) = &self.scan else { return Ok(()) };
        if self.finished {
            return Ok(());
        }
        if !scanner.is_complete() {
            return self.refuse("the body is not a complete JSON object");
        }
        if *scanner.model() == Found::Nothing {
            return self.refuse("the body has no `model`");
        }
        Ok(())
    }
}

/// `None` if the value is not a short string.
pub(crate) fn named(found: &Found) -> Option<String> {
    let Found::Value(raw) = found else { return None };
    from_slice::<String>(raw).ok().filter(|model| model.len() <= LONGEST_NAME)
}

fn ambiguous(reason: &str) -> RefusedBodyError {
    let message = format!("The model cannot be told for certain: {reason}");
    RefusedBodyError { code: ErrorCode::ModelAmbiguous, message }
}

impl Inspector for ModelInspector {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        if self.finished { Ok(()) } else { self.read(bytes) }
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        Poll::Ready(self.end())
    }
}

/// A name from a request, made harmless for a message.
pub(crate) fn shown(model: &str) -> String {
    model.chars().take(100).filter(|char| !char.is_control()).collect()
}

/// No model has a longer name. A longer one would stand in the log and in the database with each request (A48).
const LONGEST_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn inspect(rule: &ModelRule, body: &str) -> (Result<(), ErrorCode>, Option<String>) {
        let asked = AskedModel::default();
        let mut inspector = ModelInspector::new(rule.clone(), Arc::clone(&asked));
        let verdict =
            body.as_bytes().chunks(7).try_for_each(|piece| inspector.piece(piece)).and_then(|()| inspector.end());
        (verdict.map_err(|refusal| refusal.code), asked.get().map(ToString::to_string))
    }

    fn only(models: &[&str]) -> ModelRule {
        ModelRule::from_claim(models.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_listed_model_passes_and_another_does_not() {
        let rule = only(&["claude-haiku-4-5", "claude-sonnet-*"]);
        for model in ["claude-haiku-4-5", "claude-sonnet-5-5"] {
            assert_eq!(inspect(&rule, &format!(r#"{{"model":"{model}"}}"#)), (Ok(()), Some(model.to_string())));
        }
        for model in ["claude-opus-5", "claude-haiku-4-5-x", "Claude-haiku-4-5", "claude-h\u{430}iku-4-5"] {
            assert_eq!(
                inspect(&rule, &format!(r#"{{"model":"{model}"}}"#)).0,
                Err(ErrorCode::ModelNotAllowed),
                "{model}"
            );
        }
    }

    #[test]
    fn a30_a_restricted_token_needs_one_unmistakable_model() {
        let rule = only(&["a"]);
        for body in [
            r#"{"model":"a","model":"a"}"#,
            r#"{"model":"a","x":1,"\u006dodel":"b"}"#,
            r#"{"model":1}"#,
            r#"{"model":["a"]}"#,
            r#"{"messages":[{"model":"a"}]}"#,
            r#"[{"model":"a"}]"#,
            r#"{"model":"a""#,
            "model=a",
            "",
        ] {
            assert_eq!(inspect(&rule, body).0, Err(ErrorCode::ModelAmbiguous), "{body}");
        }
    }

    #[test]
    fn a48_a_name_that_no_model_has_is_not_kept() {
        for (length, known) in [(LONGEST_NAME, true), (LONGEST_NAME + 1, false)] {
            let name = "m".repeat(length);
            let body = format!(r#"{{"model":"{name}"}}"#);
            assert_eq!(inspect(&ModelRule::Any, &body), (Ok(()), known.then(|| name.clone())));
            let restricted = if known { Ok(()) } else { Err(ErrorCode::ModelAmbiguous) };
            assert_eq!(inspect(&only(&["m*"]), &body).0, restricted);
        }
    }

    #[test]
    fn a30_a_tool_or_a_fallback_is_no_way_around_the_list() {
        let rule = only(&["a", "b-*"]);
        for (rest, verdict) in [
            (r#""tools":[{"type":"advisor","model":"b-1"}],"fallbacks":[{"model":"a"}]"#, Ok(())),
            (r#""tools":[{"name":"t","input_schema":{"properties":{"model":{"type":"string"}}}}]"#, Ok(())),
            (r#""tools":[{"type":"advisor","model":"c"}]"#, Err(ErrorCode::ModelNotAllowed)),
            (r#""fallbacks":[{"model":"c"}]"#, Err(ErrorCode::ModelNotAllowed)),
            (r#""fallbacks":"default""#, Err(ErrorCode::ModelNotAllowed)),
            (r#""tools":[{"model":"a","model":"c"}]"#, Err(ErrorCode::ModelAmbiguous)),
        ] {
            assert_eq!(inspect(&rule, &format!(r#"{{"model":"a",{rest}}}"#)).0, verdict, "{rest}");
            assert_eq!(inspect(&ModelRule::Any, &format!(r#"{{"model":"a",{rest}}}"#)).0, Ok(()), "{rest}");
        }
    }

    #[test]
    fn a30_a_request_that_a_budget_pays_for_has_one_model() {
        let inspect = |body: &str| {
            let mut inspector = ModelInspector::new(ModelRule::Any, AskedModel::default()).priced(true);
            inspector.piece(body.as_bytes()).and_then(|()| inspector.end()).map_err(|refusal| refusal.code)
        };
        for body in [r#"{"model":"a","max_tokens":1,"model":"b"}"#, r#"{"model":"a","\u006dodel":"b"}"#] {
            assert_eq!(inspect(body), Err(ErrorCode::ModelAmbiguous), "{body}");
        }
        for body in [r#"{"model":"a","fallbacks":[{"model":"b"}]}"#, "nonsense", "{}", r#"{"model":7}"#] {
            assert_eq!(inspect(body), Ok(()), "{body}");
        }
    }

    #[test]
    fn a_token_for_any_model_leaves_judgement_to_the_upstream() {
        for body in [r#"{"model":"a","model":"b"}"#, "nonsense", "", r#"{"model":7}"#] {
            assert_eq!(inspect(&ModelRule::Any, body).0, Ok(()), "{body}");
        }
    }
}

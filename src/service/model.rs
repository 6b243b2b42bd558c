//! Which model a request asks for, and whether its token may.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use serde_json::from_slice;

use super::json::{Found, ObjectScanner};
use crate::transport::hold::{Inspector, Refusal};
use crate::wire::ErrorCode;

/// The models a token may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRule {
    /// Every model the upstream key may.
    Any,
    /// These: exact ids, or a beginning and `*`.
    Only(Arc<[String]>),
}

impl ModelRule {
    /// The rule that a token's `models` claim states.
    #[must_use]
    pub fn from_claim(models: Vec<String>) -> Self {
        if models.is_empty() { Self::Any } else { Self::Only(models.into()) }
    }

    /// Whether `model` is allowed.
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
pub(super) type AskedModel = Arc<OnceLock<Box<str>>>;

/// Reads `model` from a request's body as it passes, and enforces the rule on exactly the bytes that are forwarded.
///
/// A token that may ask for any model is only metered: the scan ends with the first `model`. For a restricted token the
/// whole body is scanned, because a second `model` further down could be the one that counts upstream.
pub(super) struct ModelInspector {
    scanner: ObjectScanner<1>,
    rule: ModelRule,
    asked: AskedModel,
    finished: bool,
}

impl ModelInspector {
    /// Puts what it finds into `asked`.
    #[must_use]
    pub(super) fn new(rule: ModelRule, asked: AskedModel) -> Self {
        Self { scanner: ObjectScanner::new(["model"]), rule, asked, finished: false }
    }

    fn is_strict(&self) -> bool {
        self.rule != ModelRule::Any
    }

    fn judge(&mut self) -> Result<(), Refusal> {
        let model = match self.scanner.found(0) {
            Found::Nothing => return Ok(()),
            Found::Value(raw) => from_slice::<String>(raw).ok().filter(|model| model.len() <= LONGEST_NAME),
            Found::Repeated => return self.refuse("`model` appears more than once"),
            Found::TooLong => None,
        };
        let Some(model) = model else { return self.refuse("`model` is not a short text") };
        if !self.rule.allows(&model) {
            let message = format!("model: {} is not available to this device", shown(&model));
            return Err(Refusal { code: ErrorCode::ModelNotAllowed, message });
        }
        self.asked.get_or_init(|| model.into());
        self.finished = !self.is_strict();
        Ok(())
    }

    /// Refuses for a restricted token; for any other the upstream may judge.
    fn refuse(&mut self, reason: &str) -> Result<(), Refusal> {
        self.finished = !self.is_strict();
        if self.finished {
            return Ok(());
        }
        Err(Refusal {
            code: ErrorCode::ModelAmbiguous,
            message: format!("The model cannot be told for certain: {reason}"),
        })
    }

    fn end(&mut self) -> Result<(), Refusal> {
        if self.finished {
            return Ok(());
        }
        if !self.scanner.is_complete() {
            return self.refuse("the body is not a complete JSON object");
        }
        if *self.scanner.found(0) == Found::Nothing {
            return self.refuse("the body has no `model`");
        }
        Ok(())
    }
}

impl Inspector for ModelInspector {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.finished {
            return Ok(());
        }
        let read = if self.is_strict() { self.scanner.feed(bytes) } else { self.scanner.feed_until_found(bytes) };
        if read.is_err() {
            return self.refuse("the body is not a JSON object");
        }
        self.judge()
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(self.end())
    }
}

/// A name from a request, made harmless for a message.
pub(super) fn shown(model: &str) -> String {
    model.chars().take(100).filter(|char| !char.is_control()).collect()
}

/// No model is called longer. What is would stand in the log and in the database with each request (A48).
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
    fn a_token_for_any_model_leaves_judgement_to_the_upstream() {
        for body in [r#"{"model":"a","model":"b"}"#, "nonsense", "", r#"{"model":7}"#] {
            assert_eq!(inspect(&ModelRule::Any, body).0, Ok(()), "{body}");
        }
    }
}

//! `usage.iterations`: other work on an answer (Anthropic API, betas of the advisor tool, of fallbacks and of
//! compaction).
//!
//! The entries of the model that answered are the answer itself, which the top level of the usage counts. The other
//! entries are not counted there or have another price, and each may name its own model.

use serde::Deserialize;

use super::Tokens;
use super::lenient::{Count, LenientObject, LenientObjects, LenientText};
use super::tokens::{CacheCreation, Counts};

/// Tokens spent on an answer beside the answer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTokens {
    /// `None` is the model that gave the answer.
    pub model: Option<Box<str>>,
    pub tokens: Tokens,
}

pub(super) type Iterations = LenientObjects<Iteration>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Iteration {
    #[serde(rename = "type")]
    kind: LenientText,
    model: LenientText,
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: LenientObject<CacheCreation>,
}

impl Iteration {
    /// Whether the entry is a part of the answer of `model`.
    fn is_answer(&self, model: Option<&str>) -> bool {
        let is_kind = matches!(self.kind.0.as_deref(), None | Some("message" | "fallback_message"));
        is_kind && (self.model.0.is_none() || self.model.0.as_deref() == model)
    }

    fn tokens(&self) -> Tokens {
        let mut tokens = Tokens::default();
        tokens.merge(&Counts {
            input: self.input_tokens,
            output: self.output_tokens,
            cache_read: self.cache_read_input_tokens,
            cache_write: self.cache_creation_input_tokens,
            split: self.cache_creation.0.as_ref(),
        });
        tokens
    }
}

/// Returns all tokens of an answer of `model`, whose usage has the top level `top`, and the shares that are priced
/// apart.
pub(super) fn shared(model: Option<&str>, top: Tokens, iterations: &[Iteration]) -> (Tokens, Vec<ModelTokens>) {
    let (answer, others): (Vec<_>, Vec<_>) = iterations.iter().partition(|entry| entry.is_answer(model));
    let sum = |entries: &[&Iteration]| entries.iter().fold(Tokens::default(), |sum, entry| sum.plus(&entry.tokens()));
    let apart = sum(&others);
    // The API does not say whether the top level includes all entries. If their sum fits into it, it does.
    let has_all = !answer.is_empty() && sum(&answer).plus(&apart).is_within(&top);
    let shares = others.iter().map(|entry| ModelTokens { model: entry.model.0.clone(), tokens: entry.tokens() });
    (if has_all { top } else { top.plus(&apart) }, shares.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(list: serde_json::Value) -> Vec<Iteration> {
        let LenientObjects(list) = serde_json::from_value(list).unwrap();
        list
    }

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens { input_tokens: input, output_tokens: output, ..Tokens::default() }
    }

    #[test]
    fn entries_outside_the_top_level_are_added_to_it() {
        let list = read(json!([
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
            {"type": "message", "input_tokens": 23, "output_tokens": 1000},
            {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 500, "output_tokens": 50}
        ]));
        let (all, shares) = shared(Some("m"), tokens(23, 1000), &list);
        assert_eq!(all, tokens(180_523, 4550));
        let advisor = ModelTokens { model: Some("claude-opus-5".into()), tokens: tokens(500, 50) };
        assert_eq!(shares, [ModelTokens { model: None, tokens: tokens(180_000, 3500) }, advisor]);
    }

    #[test]
    fn entries_within_the_top_level_are_not_counted_twice() {
        let list = read(json!([
            {"type": "message", "input_tokens": 23, "output_tokens": 1000},
            {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 500, "output_tokens": 50}
        ]));
        let (all, shares) = shared(Some("m"), tokens(523, 1050), &list);
        assert_eq!((all, shares[0].tokens), (tokens(523, 1050), tokens(500, 50)));
    }

    #[test]
    fn a_list_without_the_answer_is_added_to_the_top_level() {
        let list = read(json!([{"type": "compaction", "input_tokens": 100, "output_tokens": 0}]));
        assert_eq!(shared(Some("m"), tokens(500, 100), &list).0, tokens(600, 100));
    }

    #[test]
    fn a_fallback_that_answered_is_the_answer_and_a_model_that_failed_before_is_a_share() {
        let list = read(json!([
            {"type": "message", "model": "first", "input_tokens": 1000, "output_tokens": 0},
            {"type": "fallback_message", "model": "m", "input_tokens": 1000, "output_tokens": 200}
        ]));
        let (all, shares) = shared(Some("m"), tokens(1000, 200), &list);
        assert_eq!(all, tokens(2000, 200));
        assert_eq!(shares, [ModelTokens { model: Some("first".into()), tokens: tokens(1000, 0) }]);
    }

    #[test]
    fn an_answer_without_other_entries_counts_as_its_top_level() {
        for list in [json!([]), json!(null), json!("x"), json!([7, null, {"type": "message", "input_tokens": 5}])] {
            assert_eq!(shared(Some("m"), tokens(5, 6), &read(list)), (tokens(5, 6), Vec::new()));
        }
    }
}

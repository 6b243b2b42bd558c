//! `usage.iterations`: other work on an answer (Anthropic API, betas of the advisor tool, of fallbacks and of
//! compaction).
//!
//! An answer may take several rounds of its model (server tools), attempts of other models (fallbacks), and work beside
//! it (an advisor, compaction). Each is an entry with its own counts, and the bill is the sum over the entries, each at
//! the price of its own model. The top level of the usage counts the answer, or its last attempt.

use serde::Deserialize;

use super::Tokens;
use super::lenient::{Count, LenientObject, LenientObjects, LenientText};
use super::stated::Stated;
use super::stop::Stop;
use super::tokens::{CacheCreation, Counts};
use crate::service::base::model_id::is_same_model;
use crate::service::meter::prices::Conditions;

/// Tokens spent on an answer beside the answer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTokens {
    /// `None` is the model that gave the answer.
    pub model: Option<Box<str>>,
    pub tokens: Tokens,
    /// An attempt that was refused before any output. It has no price.
    pub is_free: bool,
}

/// The usage of an answer, divided by what has a price of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DividedUsage {
    /// The model that answered.
    pub model: Option<Box<str>>,
    /// All tokens.
    pub tokens: Tokens,
    /// The parts of `tokens` that are priced apart.
    pub shares: Vec<ModelTokens>,
    /// Whether the answer itself, without work beside it, has output.
    pub has_output: bool,
    /// Whether a count of the answer itself is assumed. It does not matter where the answer is free.
    pub is_answer_assumed: bool,
    /// Whether a count or the model of work beside the answer is assumed, or whether it is free.
    pub are_others_assumed: bool,
}

/// The top level of a usage.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TopLevel {
    pub tokens: Tokens,
    pub stated: Stated,
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
    fn is_fallback(&self) -> bool {
        self.kind.0.as_deref() == Some("fallback_message")
    }

    /// Whether the entry is a try at the answer, and not work beside it.
    fn is_attempt(&self) -> bool {
        matches!(self.kind.0.as_deref(), None | Some("message" | "fallback_message"))
    }

    fn is_by(&self, model: Option<&str>) -> bool {
        match (self.model.0.as_deref(), model) {
            (None, _) => true,
            (Some(own), Some(model)) => is_same_model(own, model),
            (Some(_), None) => false,
        }
    }

    fn tokens(&self) -> Tokens {
        let mut tokens = Tokens::default();
        tokens.merge(&self.counts());
        tokens
    }

    fn stated(&self) -> Stated {
        Stated::of(&self.counts())
    }

    fn counts(&self) -> Counts<'_> {
        Counts {
            input: self.input_tokens,
            output: self.output_tokens,
            cache_read: self.cache_read_input_tokens,
            cache_write: self.cache_creation_input_tokens,
            split: self.cache_creation.0.as_ref(),
        }
    }

    /// The tokens of work beside the answer. Where there was a fallback, an attempt was declined; if it leaves its model out,
    /// that is the one that was asked.
    fn share(&self, asked: Option<&str>, has_fallback: bool) -> ModelTokens {
        let tokens = self.tokens();
        let is_declined = has_fallback && self.is_attempt();
        let asked = asked.filter(|_| is_declined).map(Box::from);
        let is_free = is_declined && tokens.output_tokens == 0;
        ModelTokens { model: self.model.0.clone().or(asked), tokens, is_free }
    }

    /// Whether the price of work beside the answer is certain. The API names no model for compaction, which is the work of
    /// the model that was asked, and may leave that model out of a round.
    fn has_certain_price(&self) -> bool {
        let has_model = match self.kind.0.as_deref() {
            Some("message" | "compaction") => true,
            Some("advisor_message") => self.model.0.is_some(),
            // What else there is may be charged in another way.
            _ => false,
        };
        has_model && self.stated().is_all_of(&self.tokens())
    }
}

impl TopLevel {
    /// Whether a count of the answer is assumed. `own` is the sum of its entries, `tokens` what is billed for it.
    fn is_assumed(&self, answer: &[&Iteration], own: &Tokens, tokens: &Tokens) -> bool {
        let split = answer.iter().map(|entry| entry.stated().split_writes).fold(0, u64::saturating_add);
        // The bill is the sum over the entries. Where the top level says more than they do, one of both is incomplete.
        !self.stated.is_whole()
            || !tokens.is_as_much_as(own)
            || tokens.written() > split.max(self.stated.split_writes)
            || answer.iter().any(|entry| entry.kind.0.is_none() || entry.counts().has_unreadable())
    }
}

impl DividedUsage {
    /// Adds to `conditions` whether the answer is free, and whether something that decides its cost is assumed. `has_text`
    /// says whether text of the answer was seen that no count speaks of.
    pub(super) fn describe(&self, conditions: &mut Conditions, stop: &Stop, has_text: bool) {
        conditions.is_free = stop.is_free_refusal() && !self.has_output && !has_text;
        let is_answer_assumed = if conditions.is_free { stop.is_unlisted() } else { self.is_answer_assumed };
        conditions.is_assumed |= is_answer_assumed || self.are_others_assumed;
    }
}

/// Divides the usage of an answer. `model` began it; `took_over` is the model of a fallback that a stream has announced.
///
/// What a fallback answered is never certain: the usage says neither why the attempts before were declined, which decides
/// whether they are free, nor the speed of each.
pub(super) fn divide(
    model: Option<&str>,
    took_over: Option<&str>,
    whole: &TopLevel,
    iterations: &[Iteration],
) -> DividedUsage {
    let top = whole.tokens;
    let fallback = iterations.iter().rev().find(|entry| entry.is_fallback());
    let answering = fallback.and_then(|entry| entry.model.0.as_deref()).or(took_over).or(model);
    let is_answer = |entry: &&Iteration| match fallback {
        // The first attempt may leave its model out: it is the one that was asked.
        Some(_) if !entry.is_fallback() && entry.model.0.is_none() => false,
        _ => entry.is_attempt() && entry.is_by(answering),
    };
    let (answer, others): (Vec<_>, Vec<_>) = iterations.iter().partition(is_answer);
    let sum = |entries: &[&Iteration]| entries.iter().fold(Tokens::default(), |sum, entry| sum.plus(&entry.tokens()));
    let (own, apart) = (sum(&answer), sum(&others));
    let began_otherwise = model.zip(answering).is_some_and(|(first, last)| !is_same_model(first, last));
    let tokens = match answer.is_empty() {
        // The top level of a stream still has counts of the model that began.
        false if began_otherwise => own.completed_by(&top).plus(&apart),
        // The API does not say whether the top level includes all entries. If their sum fits into it, it does.
        false if own.plus(&apart).is_within(&top) => top,
        false => top.raised_to(&own).plus(&apart),
        true => top.plus(&apart),
    };
    let has_output = tokens.less(&apart).output_tokens > 0;
    let share = |entry: &&Iteration| entry.share(model, fallback.is_some());
    let round = |entry: &&Iteration| ModelTokens { model: None, tokens: entry.tokens(), is_free: false };
    // Each round has its own prompt, and so its own tier of prices.
    let are_apart = answer.len() > 1 && has_output && own.is_part_of(&tokens.less(&apart));
    let rounds = answer.iter().filter(|_| are_apart).map(round);
    let shares = others.iter().map(share).chain(rounds).collect();
    let answered = if began_otherwise { answering } else { model.or(answering) };
    let is_answer_assumed = match iterations {
        [] => !whole.stated.is_all_of(&top),
        _ => whole.is_assumed(&answer, &own, &tokens.less(&apart)) || (answer.len() > 1 && !are_apart),
    };
    let has_fallback = fallback.is_some() || took_over.is_some();
    let are_others_assumed = has_fallback || !others.iter().all(|entry| entry.has_certain_price());
    DividedUsage { model: answered.map(Box::from), tokens, shares, has_output, is_answer_assumed, are_others_assumed }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::usage_object::Usage;
    use super::*;

    fn read(list: serde_json::Value) -> Vec<Iteration> {
        let LenientObjects(list) = serde_json::from_value(list).unwrap();
        list
    }

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens { input_tokens: input, output_tokens: output, ..Tokens::default() }
    }

    fn top(input: u64, output: u64) -> TopLevel {
        let usage = json!({ "input_tokens": input, "output_tokens": output });
        let usage: Usage = serde_json::from_value(usage).unwrap();
        TopLevel { tokens: tokens(input, output), stated: usage.stated() }
    }

    #[test]
    fn entries_outside_the_top_level_are_added_to_it() {
        let list = read(json!([
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
            {"type": "message", "input_tokens": 23, "output_tokens": 1000},
            {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 500, "output_tokens": 50}
        ]));
        let DividedUsage { tokens: all, shares, .. } = divide(Some("m"), None, &top(23, 1000), &list);
        assert_eq!(all, tokens(180_523, 4550));
        let advisor = ModelTokens { model: Some("claude-opus-5".into()), tokens: tokens(500, 50), is_free: false };
        assert_eq!(shares, [ModelTokens { model: None, tokens: tokens(180_000, 3500), is_free: false }, advisor]);
    }

    #[test]
    fn entries_within_the_top_level_are_not_counted_twice() {
        let list = read(json!([
            {"type": "message", "input_tokens": 23, "output_tokens": 1000},
            {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 500, "output_tokens": 50}
        ]));
        let DividedUsage { tokens: all, shares, .. } = divide(Some("m"), None, &top(523, 1050), &list);
        assert_eq!((all, shares[0].tokens), (tokens(523, 1050), tokens(500, 50)));
    }

    #[test]
    fn a_list_without_the_answer_is_added_to_the_top_level() {
        let list = read(json!([{"type": "compaction", "input_tokens": 100, "output_tokens": 0}]));
        assert_eq!(divide(Some("m"), None, &top(500, 100), &list).tokens, tokens(600, 100));
    }

    #[test]
    fn a_fallback_that_answered_is_the_answer_and_a_model_that_failed_before_is_a_share() {
        let list = read(json!([
            {"type": "message", "model": "first", "input_tokens": 1000, "output_tokens": 0},
            {"type": "fallback_message", "model": "m", "input_tokens": 1000, "output_tokens": 200}
        ]));
        // A stream names the model that began it, an answer in one piece the model that answered.
        for named in ["m", "first"] {
            let divided = divide(Some(named), None, &top(1000, 200), &list);
            assert_eq!((divided.model.as_deref(), divided.tokens), (Some("m"), tokens(2000, 200)), "{named}");
            let first = ModelTokens { model: Some("first".into()), tokens: tokens(1000, 0), is_free: true };
            assert_eq!(divided.shares, [first], "{named}");
        }
    }

    #[test]
    fn an_answer_without_other_entries_counts_as_its_top_level() {
        for list in [json!([]), json!(null), json!("x"), json!([7, null, {"type": "message", "input_tokens": 5}])] {
            let divided = divide(Some("m"), None, &top(5, 6), &read(list));
            assert_eq!((divided.tokens, divided.shares), (tokens(5, 6), Vec::new()));
        }
    }

    #[test]
    fn entries_that_sum_up_to_the_bill_are_certain_and_others_are_assumed() {
        let answer = json!({ "type": "message", "input_tokens": 20, "output_tokens": 10 });
        let advisor = |advisor: serde_json::Value| json!([answer, advisor]);
        for (list, answer_assumed, others_assumed) in [
            (json!([]), false, false),
            (json!([answer]), false, false),
            (json!([{ "type": "message", "input_tokens": 20 }]), true, false),
            (json!([{ "type": "message", "input_tokens": 20, "output_tokens": 9 }]), true, false),
            (json!([{ "type": "message", "input_tokens": 20, "output_tokens": 11 }]), false, false),
            (json!([{ "type": "message", "input_tokens": "x", "output_tokens": 10 }]), true, false),
            (json!([{ "input_tokens": 20, "output_tokens": 10 }]), true, false),
            (json!([{ "type": "compaction", "input_tokens": 5, "output_tokens": 5 }]), true, false),
            (advisor(json!({ "type": "compaction", "input_tokens": 5, "output_tokens": 5 })), false, false),
            (advisor(json!({ "type": "compaction", "input_tokens": 5 })), false, true),
            (advisor(json!({ "type": "of_the_future", "input_tokens": 5, "output_tokens": 5 })), false, true),
            (advisor(json!({ "type": "advisor_message", "input_tokens": 5, "output_tokens": 5 })), false, true),
            (
                advisor(json!({ "type": "advisor_message", "model": "a", "input_tokens": 5, "output_tokens": 5 })),
                false,
                false,
            ),
            (
                advisor(json!({ "type": "advisor_message", "model": "a", "input_tokens": 5, "output_tokens": 5,
                    "cache_creation_input_tokens": 7 })),
                false,
                true,
            ),
            (
                json!([{ "type": "message", "model": "first", "input_tokens": 20, "output_tokens": 0 },
                    { "type": "fallback_message", "model": "m", "input_tokens": 20, "output_tokens": 10 }]),
                false,
                true,
            ),
        ] {
            let divided = divide(Some("m"), None, &top(20, 10), &read(list.clone()));
            let assumed = (divided.is_answer_assumed, divided.are_others_assumed);
            assert_eq!(assumed, (answer_assumed, others_assumed), "{list}");
        }
        let announced = divide(Some("first"), Some("m"), &top(20, 10), &[]);
        assert!(announced.are_others_assumed, "the attempt before is not counted");
    }
}

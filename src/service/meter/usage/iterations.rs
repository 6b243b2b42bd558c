//! `usage.iterations`: other work on an answer (Anthropic API, betas of the advisor tool, of fallbacks and of
//! compaction).
//!
//! An answer may take several rounds of its model (server tools), attempts of other models (fallbacks), and work beside
//! it (an advisor, compaction). Each is an entry with its own counts, and the bill is the sum over the entries, each at
//! the price of its own model. The top level of the usage counts the answer, or its last attempt.

mod entries;
mod entry;
mod iteration;
mod models;
mod top_level;

use self::entries::Entries;
pub use self::iteration::ModelTokens;
pub(super) use self::iteration::{Iteration, Iterations};
pub(super) use self::models::Models;
pub(super) use self::top_level::TopLevel;
use super::Tokens;
use super::stop::Stop;
use crate::service::meter::prices::Conditions;

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

impl DividedUsage {
    /// Adds to `conditions` whether the answer is free, and whether something that decides its cost is assumed. `has_text`
    /// says whether text of the answer was seen that no count speaks of.
    pub(super) fn describe(&self, conditions: &mut Conditions, stop: &Stop, has_text: bool) {
        conditions.is_free = stop.is_free_refusal() && !self.has_output && !has_text;
        let is_answer_assumed = if conditions.is_free { stop.is_unlisted() } else { self.is_answer_assumed };
        conditions.is_assumed |= is_answer_assumed || self.are_others_assumed;
    }
}

/// Divides the usage of an answer.
///
/// What a fallback answered is never certain: the usage says neither why the attempts before were declined, which decides
/// whether they are free, nor the speed of each.
pub(super) fn divide(models: &Models<'_>, whole: &TopLevel, iterations: &[Iteration]) -> DividedUsage {
    let mut entries = Entries::of(models, iterations);
    let (tokens, is_lifetime_assumed) = entries.bill(whole);
    let of_answer = tokens.less(&entries.apart);
    let has_output = of_answer.output_tokens > 0;
    let has_rounds = entries.answer.len() > 1;
    // Each round has its own prompt, and so its own tier of prices.
    let are_apart = has_rounds && has_output && entries.own.is_part_of(&of_answer);
    let is_answer_assumed = match iterations {
        [] => !whole.stated.is_all_of(&whole.tokens),
        _ => {
            whole.is_assumed(&entries.answer, &entries.own, &of_answer)
                || (has_rounds && !are_apart)
                || is_lifetime_assumed
        }
    };
    DividedUsage {
        model: entries.model().map(Box::from),
        tokens,
        shares: entries.shares(are_apart),
        has_output,
        is_answer_assumed,
        are_others_assumed: entries.are_others_assumed(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::lenient::LenientObjects;
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
        TopLevel { tokens: tokens(input, output), stated: usage.stated(), counted_output: output }
    }

    /// An answer that names this model.
    fn of(named: &str) -> Models<'_> {
        Models { named: Some(named), ..Models::default() }
    }

    #[test]
    fn entries_outside_the_top_level_are_added_to_it() {
        let list = read(json!([
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
            {"type": "message", "input_tokens": 23, "output_tokens": 1000},
            {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 500, "output_tokens": 50}
        ]));
        let DividedUsage { tokens: all, shares, .. } = divide(&of("m"), &top(23, 1000), &list);
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
        let DividedUsage { tokens: all, shares, .. } = divide(&of("m"), &top(523, 1050), &list);
        assert_eq!((all, shares[0].tokens), (tokens(523, 1050), tokens(500, 50)));
    }

    #[test]
    fn a_list_without_the_answer_is_added_to_the_top_level() {
        let list = read(json!([{"type": "compaction", "input_tokens": 100, "output_tokens": 0}]));
        assert_eq!(divide(&of("m"), &top(500, 100), &list).tokens, tokens(600, 100));
    }

    #[test]
    fn a_fallback_that_answered_is_the_answer_and_a_model_that_failed_before_is_a_share() {
        let list = read(json!([
            {"type": "message", "model": "first", "input_tokens": 1000, "output_tokens": 0},
            {"type": "fallback_message", "model": "m", "input_tokens": 1000, "output_tokens": 200}
        ]));
        // A stream names the model that began it, an answer in one piece the model that answered.
        for named in ["m", "first"] {
            let divided = divide(&of(named), &top(1000, 200), &list);
            assert_eq!((divided.model.as_deref(), divided.tokens), (Some("m"), tokens(2000, 200)), "{named}");
            let first = ModelTokens { model: Some("first".into()), tokens: tokens(1000, 0), is_free: true };
            assert_eq!(divided.shares, [first], "{named}");
        }
    }

    #[test]
    fn an_answer_without_other_entries_counts_as_its_top_level() {
        for list in [json!([]), json!(null), json!("x"), json!([7, null, {"type": "message", "input_tokens": 5}])] {
            let divided = divide(&of("m"), &top(5, 6), &read(list));
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
            let divided = divide(&of("m"), &top(20, 10), &read(list.clone()));
            let assumed = (divided.is_answer_assumed, divided.are_others_assumed);
            assert_eq!(assumed, (answer_assumed, others_assumed), "{list}");
        }
        let announced = divide(&Models { took_over: Some("m"), ..of("first") }, &top(20, 10), &[]);
        assert!(announced.are_others_assumed, "the attempt before is not counted");
    }
}

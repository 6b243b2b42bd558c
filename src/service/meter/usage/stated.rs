//! What a usage object, or one of its entries, says of its counts. What it leaves open is assumed.

use super::Tokens;
use super::tokens::Counts;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stated {
    input: bool,
    output: bool,
    /// Whether a count is there and cannot be read.
    has_unreadable: bool,
    /// The cache writes whose lifetime it says.
    pub(super) split_writes: u64,
}

impl Stated {
    pub(super) fn of(counts: &Counts<'_>) -> Self {
        Self {
            input: counts.input.get().is_some(),
            output: counts.output.get().is_some(),
            has_unreadable: counts.has_unreadable(),
            split_writes: counts.split_writes(),
        }
    }

    /// Adds what a later event of the stream says.
    pub(super) fn add(&mut self, later: Self) {
        self.input |= later.input;
        self.output |= later.output;
        self.has_unreadable |= later.has_unreadable;
        self.split_writes = self.split_writes.max(later.split_writes);
    }

    /// Whether it says input and output, and says nothing that cannot be read.
    pub(super) fn is_whole(&self) -> bool {
        self.input && self.output && !self.has_unreadable
    }

    /// Whether nothing in `tokens`, which were made of it, is assumed.
    pub(super) fn is_all_of(&self, tokens: &Tokens) -> bool {
        self.is_whole() && tokens.written() <= self.split_writes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::usage_object::Usage;
    use super::*;

    fn is_all(usages: &[serde_json::Value]) -> bool {
        let (mut tokens, mut stated) = (Tokens::default(), Stated::default());
        for usage in usages {
            let usage: Usage = serde_json::from_value(usage.clone()).unwrap();
            tokens.merge(&usage.counts());
            stated.add(Stated::of(&usage.counts()));
        }
        stated.is_all_of(&tokens)
    }

    #[test]
    fn what_a_usage_leaves_open_is_assumed() {
        let split = json!({ "ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6 });
        for (usage, expected) in [
            (json!({ "input_tokens": 1, "output_tokens": 2 }), true),
            (json!({ "input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": null }), true),
            (json!({ "input_tokens": 1 }), false),
            (json!({ "output_tokens": 1 }), false),
            (json!({ "input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": "3" }), false),
            (json!({ "input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 10 }), false),
            (
                json!({ "input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 10, "cache_creation": split }),
                true,
            ),
            (
                json!({ "input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 11, "cache_creation": split }),
                false,
            ),
        ] {
            assert_eq!(is_all(std::slice::from_ref(&usage)), expected, "{usage}");
        }
    }

    #[test]
    fn events_of_a_stream_complete_each_other() {
        let split = json!({ "ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6 });
        let start = json!({ "input_tokens": 1, "cache_creation_input_tokens": 10, "cache_creation": split });
        assert!(is_all(&[start.clone(), json!({ "output_tokens": 2, "cache_creation_input_tokens": 10 })]));
        assert!(!is_all(&[start.clone(), json!({ "output_tokens": 2, "cache_creation_input_tokens": 12 })]));
        assert!(!is_all(&[start, json!({ "output_tokens": -1 })]));
    }
}

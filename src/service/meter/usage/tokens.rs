//! Token counts of a usage object, merged field by field over the events of a stream.

use serde::{Deserialize, Serialize};

use super::lenient::Count;

/// The upstream's token counts. Each counter is the last value that was sent for it: usage in a stream is cumulative
/// (Anthropic API, streaming messages).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "these are the names in the record")]
pub struct Tokens {
    /// Input that was neither written to nor read from the cache.
    pub input_tokens: u64,
    /// Output tokens, those of thinking included.
    pub output_tokens: u64,
    /// Input written to the cache for five minutes.
    pub cache_write_5m_tokens: u64,
    pub cache_write_1h_tokens: u64,
    pub cache_read_tokens: u64,
}

/// Cache writes by lifetime.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct CacheCreation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

/// The counts of a usage object or of one of its iterations.
pub(super) struct Counts<'a> {
    pub(super) input: Count,
    pub(super) output: Count,
    pub(super) cache_read: Count,
    pub(super) cache_write: Count,
    pub(super) split: Option<&'a CacheCreation>,
}

impl Counts<'_> {
    /// The cache writes whose lifetime is said.
    pub(super) fn split_writes(&self) -> u64 {
        let lifetimes = self.lifetimes().into_iter().filter_map(Count::get);
        lifetimes.fold(0, u64::saturating_add)
    }

    pub(super) fn has_unreadable(&self) -> bool {
        let counts = [self.input, self.output, self.cache_read, self.cache_write];
        counts.into_iter().chain(self.lifetimes()).any(|count| count == Count::Unreadable)
    }

    fn lifetimes(&self) -> [Count; 2] {
        self.split
            .map_or_else(Default::default, |split| [split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens])
    }
}

impl Tokens {
    /// The counts in the order of prices: input, output, cache writes for five minutes, for an hour, cache reads.
    pub(crate) fn by_price(&self) -> [u64; 5] {
        [
            self.input_tokens,
            self.output_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
            self.cache_read_tokens,
        ]
    }

    /// Takes over what `counts` say. A field that is absent, null or no count keeps its earlier value, and so does one that
    /// says zero: counts of a stream only grow, and some gateways fill an event up with zeros.
    ///
    /// Only the first event of a stream splits cache writes by lifetime. When a later total exceeds the split, the rest
    /// counts as five minutes, the cheaper lifetime and the API's default.
    pub(super) fn merge(&mut self, counts: &Counts<'_>) {
        let overwrite =
            |field: &mut u64, count: Count| *field = count.get().filter(|count| *count > 0).unwrap_or(*field);
        overwrite(&mut self.input_tokens, counts.input);
        overwrite(&mut self.output_tokens, counts.output);
        overwrite(&mut self.cache_read_tokens, counts.cache_read);
        match counts.split.map(|split| (split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens)) {
            // A whole split replaces one that was made from a total.
            Some((Count::Of(five_minutes), Count::Of(hour))) if five_minutes + hour > 0 => {
                (self.cache_write_5m_tokens, self.cache_write_1h_tokens) = (five_minutes, hour);
            }
            Some((five_minutes, hour)) => {
                overwrite(&mut self.cache_write_5m_tokens, five_minutes);
                overwrite(&mut self.cache_write_1h_tokens, hour);
            }
            None => {}
        }
        if let Count::Of(total) = counts.cache_write {
            let rest = total.saturating_sub(self.cache_write_1h_tokens);
            self.cache_write_5m_tokens = self.cache_write_5m_tokens.max(rest);
        }
    }

    /// The same cache writes, of which `hours` are for an hour, or all if there are fewer.
    pub(super) fn with_hours(&self, hours: u64) -> Self {
        let hours = hours.min(self.written());
        Self { cache_write_5m_tokens: self.written() - hours, cache_write_1h_tokens: hours, ..*self }
    }

    /// Whether its cache writes agree with the `split_writes` of which `other` says the lifetime.
    pub(super) fn has_split(&self, other: &Self, split_writes: u64) -> bool {
        let hours = other.cache_write_1h_tokens;
        hours <= self.cache_write_1h_tokens && split_writes.saturating_sub(hours) <= self.cache_write_5m_tokens
    }

    /// All that was written to the cache.
    pub(super) fn written(&self) -> u64 {
        self.cache_write_5m_tokens.saturating_add(self.cache_write_1h_tokens)
    }

    /// Raises each count to that of `other`. If `other` does not split its cache writes by lifetime, what it has more of them
    /// counts as five minutes.
    pub(super) fn raised_to(&self, other: &Self) -> Self {
        let mut raised = self.with(other, u64::max);
        raised.cache_write_5m_tokens = self.written().max(other.written()) - raised.cache_write_1h_tokens;
        raised
    }

    /// Whether no count exceeds that of `other`, with each lifetime of the cache compared by itself: each has its own price.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        self.by_price().iter().zip(other.by_price()).all(|(own, other)| *own <= other)
    }

    /// The tokens of an attempt, with what only `top` says of it: a later count of output, the prompt where the entry has
    /// none, and the lifetimes of the cache where the entry does not split its writes.
    pub(super) fn completed_by(&self, top: &Self) -> Self {
        let output_tokens = self.output_tokens.max(top.output_tokens);
        let has_prompt = self.input_tokens + self.cache_read_tokens + self.written() > 0;
        if !has_prompt {
            return Self { output_tokens, ..*top };
        }
        let split = if self.written() == top.written() { top } else { self };
        Self {
            output_tokens,
            cache_write_5m_tokens: split.cache_write_5m_tokens,
            cache_write_1h_tokens: split.cache_write_1h_tokens,
            ..*self
        }
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    pub(crate) fn less(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    /// Whether no count exceeds that of `other`, with cache writes compared as a sum: often only the top level of a
    /// usage, or only its entries, split them by lifetime.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.input_tokens <= other.input_tokens
            && self.output_tokens <= other.output_tokens
            && self.cache_read_tokens <= other.cache_read_tokens
            && self.written() <= other.written()
    }

    /// Whether both have the same counts, with cache writes compared as in [`is_within`](Self::is_within).
    pub(super) fn is_as_much_as(&self, other: &Self) -> bool {
        self.is_within(other) && other.is_within(self)
    }

    fn with(&self, other: &Self, count: fn(u64, u64) -> u64) -> Self {
        Self {
            input_tokens: count(self.input_tokens, other.input_tokens),
            output_tokens: count(self.output_tokens, other.output_tokens),
            cache_write_5m_tokens: count(self.cache_write_5m_tokens, other.cache_write_5m_tokens),
            cache_write_1h_tokens: count(self.cache_write_1h_tokens, other.cache_write_1h_tokens),
            cache_read_tokens: count(self.cache_read_tokens, other.cache_read_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::usage_object::Usage;
    use super::*;

    fn merge(tokens: &mut Tokens, usage: serde_json::Value) {
        let usage: Usage = serde_json::from_value(usage).unwrap();
        tokens.merge(&usage.counts());
    }

    #[test]
    fn later_counts_overwrite_and_absent_ones_keep() {
        let mut tokens = Tokens::default();
        merge(
            &mut tokens,
            json!({
                "input_tokens": 25, "output_tokens": 1, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 10,
                "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6}
            }),
        );
        merge(&mut tokens, json!({"output_tokens": 12, "input_tokens": null, "cache_creation_input_tokens": 10}));
        merge(&mut tokens, json!({"output_tokens": 40, "cache_read_input_tokens": "x", "cache_creation": "x"}));
        let expected = Tokens {
            input_tokens: 25,
            output_tokens: 40,
            cache_write_5m_tokens: 4,
            cache_write_1h_tokens: 6,
            cache_read_tokens: 7,
        };
        assert_eq!(tokens, expected);
    }

    #[test]
    fn cache_writes_without_a_split_count_as_five_minutes() {
        let mut tokens = Tokens::default();
        merge(&mut tokens, json!({"cache_creation_input_tokens": 10}));
        assert_eq!((tokens.cache_write_5m_tokens, tokens.cache_write_1h_tokens), (10, 0));
    }
}

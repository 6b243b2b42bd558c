//! Token counts, merged field by field.

use serde::Serialize;
use serde_json::Value;

/// What the upstream counted. Every counter is the last value that was sent for it: usage in a stream is cumulative
/// (Anthropic API, streaming messages).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the names in the record")]
pub struct Tokens {
    /// Input that was neither written to nor read from the cache.
    pub input_tokens: u64,
    /// Output, thinking included.
    pub output_tokens: u64,
    /// Input written to the cache for five minutes.
    pub cache_write_5m_tokens: u64,
    /// Input written to the cache for an hour.
    pub cache_write_1h_tokens: u64,
    /// Input read from the cache.
    pub cache_read_tokens: u64,
}

impl Tokens {
    /// Takes over what `usage` says; a field that is absent, null or no count keeps its earlier value.
    ///
    /// Only the first event of a stream splits cache writes by lifetime. When a later total exceeds the split, the rest
    /// counts as five minutes, the cheaper lifetime and the API's default.
    pub fn merge(&mut self, usage: &Value) {
        let count = |name: &str| usage.get(name).and_then(Value::as_u64);
        let split = |name: &str| usage.get("cache_creation").and_then(|split| split.get(name)).and_then(Value::as_u64);
        let overwrite = |field: &mut u64, value: Option<u64>| *field = value.unwrap_or(*field);
        overwrite(&mut self.input_tokens, count("input_tokens"));
        overwrite(&mut self.output_tokens, count("output_tokens"));
        overwrite(&mut self.cache_read_tokens, count("cache_read_input_tokens"));
        overwrite(&mut self.cache_write_5m_tokens, split("ephemeral_5m_input_tokens"));
        overwrite(&mut self.cache_write_1h_tokens, split("ephemeral_1h_input_tokens"));
        if let Some(total) = count("cache_creation_input_tokens") {
            self.cache_write_5m_tokens =
                self.cache_write_5m_tokens.max(total.saturating_sub(self.cache_write_1h_tokens));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn later_counts_overwrite_and_absent_ones_keep() {
        let mut tokens = Tokens::default();
        tokens.merge(&json!({
            "input_tokens": 25, "output_tokens": 1, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 10,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6}
        }));
        tokens.merge(&json!({"output_tokens": 12, "input_tokens": null, "cache_creation_input_tokens": 10}));
        tokens.merge(&json!({"output_tokens": 40, "cache_read_input_tokens": "x"}));
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
        tokens.merge(&json!({"cache_creation_input_tokens": 10}));
        assert_eq!((tokens.cache_write_5m_tokens, tokens.cache_write_1h_tokens), (10, 0));
    }
}

//! Ids of models. An id with the date of a snapshot (`-20250929`), and one with the `[1m]` that clients add for a long
//! context, is the same model as the id without: for prices, for the models of a token, for the breaker and for sums.

/// The ids under which `asked` may be in a table, the most exact first: as asked, without the suffix, and without the date
/// too.
pub(crate) fn spellings(asked: &str) -> impl Iterator<Item = &str> {
    let plain = asked.strip_suffix(LONG_CONTEXT).unwrap_or(asked);
    [asked, plain, undated(plain)].into_iter()
}

/// The id without the suffix and the date: the same for all ids of one model.
pub(crate) fn plain_id(id: &str) -> &str {
    undated(id.strip_suffix(LONG_CONTEXT).unwrap_or(id))
}

/// Whether two ids are of the same model.
pub(crate) fn is_same_model(one: &str, other: &str) -> bool {
    plain_id(one) == plain_id(other)
}

const LONG_CONTEXT: &str = "[1m]";

fn undated(id: &str) -> &str {
    let name = id.len().saturating_sub("-20250929".len());
    let is_date = |[dash, date @ ..]: &[u8; 9]| *dash == b'-' && date.iter().all(u8::is_ascii_digit);
    if id.as_bytes().last_chunk().is_some_and(is_date) { &id[..name] } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_the_long_context_suffix_are_left_off() {
        let last = |id| spellings(id).last().unwrap();
        assert_eq!(last("claude-sonnet-4-5-20250929"), "claude-sonnet-4-5");
        assert_eq!(last("claude-sonnet-4-5-20250929[1m]"), "claude-sonnet-4-5");
        assert_eq!(last("claude-opus-5[1m]"), "claude-opus-5");
        for other in [
            "claude-opus-5",
            "claude-opus-5-2025092",
            "claude-opus-5-2025092x",
            "claude-é20250929",
            "20250929",
            "[1m]-",
            "",
        ] {
            assert_eq!(last(other), other);
        }
    }
}

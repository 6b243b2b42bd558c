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

/// Whether any id of this model starts with `beginning`: the plain id, a dated one, or one with the suffix.
pub(crate) fn begins_with(id: &str, beginning: &str) -> bool {
    let plain = plain_id(id);
    plain.starts_with(beginning) || beginning.strip_prefix(plain).is_some_and(begins_ending)
}

/// Whether a date, the suffix, or a date and the suffix begins so.
fn begins_ending(text: &str) -> bool {
    let Some(date) = text.strip_prefix('-') else { return LONG_CONTEXT.starts_with(text) };
    match date.split_at_checked(DATE_LENGTH) {
        Some((date, suffix)) => begins_date(date) && LONG_CONTEXT.starts_with(suffix),
        None => begins_date(date),
    }
}

fn undated(id: &str) -> &str {
    let name = id.len().saturating_sub(DATE_LENGTH + 1);
    let is_date = |[dash, date @ ..]: &[u8; DATE_LENGTH + 1]| {
        *dash == b'-' && date.starts_with(CENTURY.as_bytes()) && date.iter().all(u8::is_ascii_digit)
    };
    if id.as_bytes().last_chunk().is_some_and(is_date) { &id[..name] } else { id }
}

/// Versions of models are numbers behind a hyphen, too. None of them begins like a year.
fn begins_date(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && (text.starts_with(CENTURY) || CENTURY.starts_with(text))
}

const LONG_CONTEXT: &str = "[1m]";
const DATE_LENGTH: usize = 8;
const CENTURY: &str = "20";

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
            "claude-opus-5-55555555",
            "claude-é20250929",
            "20250929",
            "[1m]-",
            "",
        ] {
            assert_eq!(last(other), other);
        }
    }

    #[test]
    fn a_model_begins_as_any_of_its_ids_does() {
        for id in ["claude-opus-5", "claude-opus-5[1m]", "claude-opus-5-20260401", "claude-opus-5-20260401[1m]"] {
            for beginning in [
                "",
                "claude-",
                "claude-opus-5",
                "claude-opus-5[",
                "claude-opus-5[1m]",
                "claude-opus-5-",
                "claude-opus-5-2",
                "claude-opus-5-2026",
                "claude-opus-5-20260501",
                "claude-opus-5-20260501[1m",
            ] {
                assert!(begins_with(id, beginning), "{id} {beginning}");
            }
            for beginning in [
                "claude-opus-5-5",
                "claude-opus-5-21",
                "claude-opus-5-2026x",
                "claude-opus-5-2026\u{e9}\u{e9}\u{e9}",
                "claude-opus-5-20260401-",
                "claude-opus-5[2",
                "claude-opus-5[1m]-",
                "claude-opus-5--",
                "claude-opus-55",
            ] {
                assert!(!begins_with(id, beginning), "{id} {beginning}");
            }
        }
        assert!(begins_with("claude-opus-5-5", "claude-opus-5-"), "a model of the same beginning");
    }
}

//! Sums as CSV.

use std::fmt::Write;

use super::sum::UsageSum;

/// RFC 4180. A key comes from a client: a key that a spreadsheet would read as a formula gets a quote in front.
pub(super) fn csv(rows: &[UsageSum]) -> String {
    let mut text = String::from(
        "key,requests,input_tokens,output_tokens,cache_creation_input_tokens,cache_read_input_tokens,cost_usd,\
         cost_exact_usd,cost_estimated_usd,requests_of_unknown_cost\r\n",
    );
    for row in rows {
        let key = row.key.as_deref().unwrap_or_default().replace('"', "\"\"");
        let guard = if is_formula(&key) { "'" } else { "" };
        let UsageSum { requests, input_tokens, output_tokens, cost_usd, cost_exact_usd, cost_estimated_usd, .. } = row;
        let (written, read) = (row.cache_creation_input_tokens, row.cache_read_input_tokens);
        // Writing to a String cannot fail.
        let _ = write!(text, "\"{guard}{key}\",{requests},{input_tokens},{output_tokens},{written},{read},");
        let _ = write!(text, "{cost_usd:.6},{cost_exact_usd:.6},{cost_estimated_usd:.6},");
        let _ = write!(text, "{}\r\n", row.requests_of_unknown_cost);
    }
    text
}

/// Whether a spreadsheet may read this as a formula: some skip white space in front, and some accept the full-width
/// signs of East Asian keyboards.
fn is_formula(key: &str) -> bool {
    let signs = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    key.starts_with(['\t', '\r']) || key.trim_start().starts_with(signs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_a_spreadsheet_reads_as_a_formula_is_marked() {
        for formula in ["=1", "+1", "-1", "@a", "\t=1", " =1", "\n+1", "\u{a0}-1", "\u{ff1d}1", " \u{ff20}a", "\ra"] {
            assert!(is_formula(formula), "{formula:?}");
        }
        for text in ["", " ", "ada", "a=1", " ada", "claude-5"] {
            assert!(!is_formula(text), "{text:?}");
        }
    }
}

//! One value of an answer, formatted for people.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Any text; a narrow terminal may cut its end off.
    Text,
    /// An identifier, never cut: it is useless without its end.
    Name,
    Number,
    /// A time in Unix milliseconds.
    Millis,
    /// A time in Unix seconds.
    Second,
    Dollars,
}

impl Shape {
    /// The value as text; `-` for null.
    pub(super) fn text(self, value: &Value) -> String {
        match (self, value) {
            (_, Value::Null) => "-".to_owned(),
            (Self::Millis, Value::Number(number)) => {
                number.as_u64().and_then(moment).unwrap_or_else(|| value.to_string())
            }
            (Self::Second, Value::Number(number)) => {
                let millis = number.as_u64().and_then(|second| second.checked_mul(1000));
                millis.and_then(moment).unwrap_or_else(|| value.to_string())
            }
            (Self::Dollars, Value::Number(number)) => {
                number.as_f64().map_or_else(|| value.to_string(), |dollars| format!("{dollars:.6}"))
            }
            (_, Value::Bool(true)) => "yes".to_owned(),
            (_, Value::Bool(false)) => "no".to_owned(),
            (_, Value::String(text)) => escaped(text),
            (_, Value::Array(items)) if items.is_empty() => "[]".to_owned(),
            (_, Value::Array(items)) => items.iter().map(|item| self.text(item)).collect::<Vec<_>>().join(","),
            (_, other) => escaped(&other.to_string()),
        }
    }

    pub(super) fn may_be_cut(self) -> bool {
        self == Self::Text
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::Dollars)
    }
}

/// Escapes characters that a terminal obeys or hides. Names come from requests: control characters would command the
/// terminal, and direction marks or characters of no width would disguise a name.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        // `escape_debug` would escape quotes and backslashes too, which only Rust needs.
        if matches!(char, '"' | '\'' | '\\') { shown.push(char) } else { shown.extend(char.escape_debug()) }
    }
    shown
}

/// Escapes each line of a text and keeps its line feeds.
pub(super) fn escaped_lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => escaped(line.strip_suffix('\r').unwrap_or(line)) + "\n",
            None => escaped(line),
        })
        .collect()
}

/// The time in UTC; `None` beyond the year 9999.
fn moment(millis: u64) -> Option<String> {
    let time = UNIX_EPOCH + Duration::from_millis((millis < 253_402_300_800_000).then_some(millis)?);
    Some(humantime::format_rfc3339_seconds(time).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_shape_formats_its_values() {
        for (shape, value, text) in [
            (Shape::Text, json!(null), "-"),
            (Shape::Text, json!(["claude-haiku-*", "claude-sonnet-5"]), "claude-haiku-*,claude-sonnet-5"),
            (Shape::Text, json!([]), "[]"),
            (Shape::Text, json!({ "usd": 1.5 }), r#"{"usd":1.5}"#),
            (Shape::Text, json!(true), "yes"),
            (Shape::Number, json!(1200), "1200"),
            (Shape::Millis, json!(1_700_000_000_123_u64), "2023-11-14T22:13:20Z"),
            (Shape::Second, json!(1_700_000_000), "2023-11-14T22:13:20Z"),
            (Shape::Second, json!(u64::MAX), "18446744073709551615"),
            (Shape::Dollars, json!(0.25), "0.250000"),
        ] {
            assert_eq!(shape.text(&value), text, "{shape:?} {value}");
        }
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        assert_eq!(escaped("\u{1b}[31m\u{9b}2J\r\n\0\u{202e}\u{200b}"), r"\u{1b}[31m\u{9b}2J\r\n\0\u{202e}\u{200b}");
        assert_eq!(escaped("müller \"the\" o'neil \\ 東京"), "müller \"the\" o'neil \\ 東京");
        assert_eq!(escaped_lines("one\r\ntwo\u{7}\nthree"), "one\ntwo\\u{7}\nthree");
    }
}

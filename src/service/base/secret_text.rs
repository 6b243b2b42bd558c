//! One secret as operators write it: the content of a file, or what a command prints.

/// Takes off one line end and the byte order mark, which editors and `echo` add. The error says what is wrong and shows nothing of
/// the text.
pub(crate) fn secret_text(text: &str) -> Result<&str, &'static str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let secret = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.trim().is_empty() {
        return Err("is empty");
    }
    if secret.len() > LONGEST {
        return Err("is longer than 64 KiB");
    }
    if secret.chars().any(char::is_control) {
        return Err("holds more than one line, or a control character");
    }
    Ok(secret)
}

/// The longest secret, in bytes.
pub(crate) const LONGEST: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_taken_off_and_nothing_else() {
        for (text, secret) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), (" a b \n", " a b "), ("é\n", "é")] {
            assert_eq!(secret_text(text), Ok(secret), "{text:?}");
        }
    }

    #[test]
    fn f122_the_mark_that_editors_of_windows_write_before_a_text_is_no_part_of_the_secret() {
        assert_eq!(secret_text("\u{feff}a\r\n"), Ok("a"));
        assert_eq!(secret_text("\u{feff}\r\n"), Err("is empty"));
        assert_eq!(secret_text("a\u{feff}"), Ok("a\u{feff}"));
    }

    #[test]
    fn f89_a_text_that_is_no_secret_is_refused_without_being_shown() {
        let long = "x".repeat(LONGEST + 1);
        for text in ["", "\n", "\r\n", " \n", "a\n\n", "a\nb", "a\rb", "a\0", "\u{1b}a", "a\u{85}", &long] {
            let fault = secret_text(text).expect_err("it is refused");
            assert!(fault.starts_with("is ") || fault.starts_with("holds "), "{fault}");
        }
        assert!(secret_text(&format!("{}\n", &long[1..])).is_ok());
    }
}

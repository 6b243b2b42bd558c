//! Decimal numbers with six places, read without a float. A text that does not fit exactly is refused.

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Anything but digits, one point and underscores: also a sign, an exponent, `inf` and `nan`.
    #[error("is no plain decimal number such as 12.50")]
    Shape,
    #[error("has more than six decimal places")]
    Places,
    #[error("is too large")]
    Range,
}

/// Reads a number and multiplies it by a million.
pub(crate) fn millionths(text: &str) -> Result<u64, DecimalError> {
    let text = text.replace('_', "");
    let (whole, places) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(places) {
        return Err(DecimalError::Shape);
    }
    let places = places.trim_end_matches('0');
    if places.len() > PLACES {
        return Err(DecimalError::Places);
    }
    format!("{whole}{places:0<PLACES$}").parse().map_err(|_| DecimalError::Range)
}

const PLACES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_plain_decimal_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "inf", "nan", "1.2.3", "1,5", "$1", "٣"] {
            assert_eq!(millionths(text), Err(DecimalError::Shape), "{text}");
        }
        assert_eq!(millionths("0.0000001"), Err(DecimalError::Places));
        assert_eq!(millionths("0.1000000"), Ok(100_000));
        assert_eq!(millionths("99999999999999999999"), Err(DecimalError::Range));
    }
}

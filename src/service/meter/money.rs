//! Money, in whole millionths of a US dollar. Prices make amounts, budgets count them.
//!
//! An amount is never negative and never a float. Sums saturate at the end of the range, which no bill reaches (18
//! million million dollars).

mod decimal;

use std::fmt;
use std::ops::Add;

use serde::Serialize;

pub use self::decimal::DecimalError;
pub(crate) use self::decimal::millionths;

/// Serialised as the whole number of millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MicroDollars(u64);

impl MicroDollars {
    pub const ZERO: Self = Self(0);

    pub const fn new(millionths: u64) -> Self {
        Self(millionths)
    }

    /// Reads dollars as a person writes them: `5`, `12.50`. A seventh decimal place is an error, because it would have
    /// to be rounded.
    pub fn parse_dollars(text: &str) -> Result<Self, DecimalError> {
        millionths(text).map(Self)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    /// Dollars with no more places than are needed, as [`parse_dollars`](Self::parse_dollars) reads them: `12.5`.
    pub fn to_text(self) -> String {
        let (whole, places) = (self.0 / MILLION, format!("{:06}", self.0 % MILLION));
        match places.trim_end_matches('0') {
            "" => whole.to_string(),
            places => format!("{whole}.{places}"),
        }
    }

    /// For display only: a float is not exact.
    #[expect(clippy::cast_precision_loss, reason = "exact up to nine thousand million dollars")]
    pub fn in_dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// [`ZERO`](Self::ZERO) when `other` is larger.
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for MicroDollars {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Dollars with all six places: `$0.001250`.
impl fmt::Display for MicroDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:06}", self.0 / MILLION, self.0 % MILLION)
    }
}

const MILLION: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_and_shown_exactly() {
        for (text, millionths, shown, short) in [
            ("0", 0, "$0.000000", "0"),
            ("5", 5_000_000, "$5.000000", "5"),
            ("12.50", 12_500_000, "$12.500000", "12.5"),
            ("0.000001", 1, "$0.000001", "0.000001"),
            ("1_000.1", 1_000_100_000, "$1000.100000", "1000.1"),
        ] {
            let amount = MicroDollars::parse_dollars(text).unwrap();
            assert_eq!((amount.get(), amount.to_string().as_str()), (millionths, shown), "{text}");
            assert_eq!((amount.to_text().as_str(), amount.in_dollars().to_string().as_str()), (short, short), "{text}");
        }
    }

    #[test]
    fn sums_stay_within_the_range() {
        let all = MicroDollars::new(u64::MAX);
        assert_eq!(all + MicroDollars::new(1), all);
        assert_eq!(MicroDollars::new(1).less(all), MicroDollars::ZERO);
        assert_eq!(all + all, all);
    }
}

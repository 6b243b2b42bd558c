//! The limits of a budget by period, and the defaults. Settings write a limit as `5/day`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::{self, AmountError};
use super::{Period, SubjectKind};
use crate::service::meter::money::MicroDollars;

/// What may be spent in each period; `None` is no limit, and zero lets nothing through. In JSON it is as the admin API has
/// it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BudgetLimits)]
pub struct Limits {
    /// The dollars of a day (UTC).
    #[serde(rename = "day_usd", default, with = "amount")]
    #[schema(schema_with = amount::schema)]
    pub day: Option<MicroDollars>,
    /// The dollars of a week, which begins on Monday (UTC).
    #[serde(rename = "week_usd", default, with = "amount")]
    #[schema(schema_with = amount::schema)]
    pub week: Option<MicroDollars>,
    /// The dollars of a calendar month (UTC).
    #[serde(rename = "month_usd", default, with = "amount")]
    #[schema(schema_with = amount::schema)]
    pub month: Option<MicroDollars>,
}

/// The limits of subjects that have none of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DefaultLimits {
    /// The budget of each device.
    pub device: Limits,
    /// The budget of each user, over all devices.
    pub user: Limits,
    /// The budget of each organisation, over all users.
    pub org: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BudgetLimitError {
    #[error("is not dollars for a day, week or month, such as 5/day")]
    Shape,
    #[error(transparent)]
    Amount(#[from] AmountError),
    #[error("is another limit for a {}", .0.as_str())]
    Repeated(Period),
}

impl Limits {
    pub fn of(&self, period: Period) -> Option<MicroDollars> {
        match period {
            Period::Day => self.day,
            Period::Week => self.week,
            Period::Month => self.month,
        }
    }

    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a limit as settings write it: `5/day`.
    pub fn add(&mut self, word: &str) -> Result<(), BudgetLimitError> {
        let (dollars, period) = word.split_once('/').ok_or(BudgetLimitError::Shape)?;
        let period =
            Period::ALL.into_iter().find(|known| known.as_str() == period.trim()).ok_or(BudgetLimitError::Shape)?;
        let limit = amount::read(dollars.trim())?;
        let place = match period {
            Period::Day => &mut self.day,
            Period::Week => &mut self.week,
            Period::Month => &mut self.month,
        };
        if place.replace(limit).is_some() { Err(BudgetLimitError::Repeated(period)) } else { Ok(()) }
    }

    /// The limits as settings write them.
    pub fn words(&self) -> Vec<String> {
        let word = |period: Period| self.of(period).map(|limit| format!("{}/{}", limit.to_text(), period.as_str()));
        Period::ALL.into_iter().filter_map(word).collect()
    }
}

impl DefaultLimits {
    pub fn of(&self, kind: SubjectKind) -> Limits {
        match kind {
            SubjectKind::Device => self.device,
            SubjectKind::User => self.user,
            SubjectKind::Org => self.org,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "limits are kept so")]
    fn usd(text: &str) -> Option<MicroDollars> {
        Some(MicroDollars::parse_dollars(text).unwrap())
    }

    #[test]
    fn settings_are_read_word_by_word_and_written_likewise() {
        let mut limits = Limits::default();
        for word in ["50.50/month", "5/day", " 1_000 / week "] {
            limits.add(word).unwrap();
        }
        assert_eq!(limits, Limits { day: usd("5"), week: usd("1000"), month: usd("50.5") });
        assert_eq!(limits.words(), ["5/day", "1000/week", "50.5/month"]);
        assert_eq!(limits.add("6/day"), Err(BudgetLimitError::Repeated(Period::Day)));
        for (word, says) in [
            ("5", "is not dollars for a day, week or month, such as 5/day"),
            ("5/fortnight", "is not dollars for a day, week or month, such as 5/day"),
            ("5/Day", "is not dollars for a day, week or month, such as 5/day"),
            ("five/day", "is no plain decimal number such as 12.50"),
            ("-5/day", "is no plain decimal number such as 12.50"),
            ("0.0000001/day", "has more than six decimal places"),
            ("1000000000.000001/day", "is more than 1000000000 dollars"),
        ] {
            assert_eq!(Limits::default().add(word).unwrap_err().to_string(), says, "{word}");
        }
    }

    #[test]
    fn json_has_numbers_or_texts_and_is_exact_to_the_last_place() {
        for (json, day) in [
            (json!({ "day_usd": 5 }), usd("5")),
            (json!({ "day_usd": 5.25 }), usd("5.25")),
            (json!({ "day_usd": 0.1 }), usd("0.1")),
            (json!({ "day_usd": "0.000001" }), usd("0.000001")),
            (json!({ "day_usd": 0 }), usd("0")),
            (json!({ "day_usd": null }), None),
            (json!({}), None),
        ] {
            let limits: Limits = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(limits, Limits { day, ..Limits::default() }, "{json}");
        }
        for text in ["0.000001", "0.1", "999999999.999999", "123456789.123456", "1000000000", "0.3", "4.35"] {
            let limits = Limits { day: usd(text), week: None, month: usd(text) };
            let written = serde_json::to_string(&limits).unwrap();
            assert_eq!(serde_json::from_str::<Limits>(&written).unwrap(), limits, "{written}");
            let number = format!(r#"{{"day_usd":{text},"month_usd":"{text}"}}"#);
            assert_eq!(serde_json::from_str::<Limits>(&number).unwrap(), limits, "{number}");
        }
    }

    #[test]
    fn json_that_is_no_limit_is_refused_by_name() {
        for (json, says) in [
            (json!({ "day": 5 }), "unknown field `day`"),
            (json!({ "usd": 5 }), "unknown field `usd`"),
            (json!({ "day_usd": -1 }), r#""-1" is no plain decimal number"#),
            (json!({ "day_usd": "5 dollars" }), r#""5 dollars" is no plain decimal number"#),
            (json!({ "day_usd": 0.000_000_1 }), r#""0.0000001" has more than six decimal places"#),
            (json!({ "day_usd": 1.234_567_8 }), "has more than six decimal places"),
            (json!({ "day_usd": 1_000_000_001 }), "is more than 1000000000 dollars"),
            (json!({ "day_usd": true }), "is neither dollars, as a number or a text, nor null"),
            (json!({ "day_usd": [5] }), "is neither dollars, as a number or a text, nor null"),
        ] {
            let fault = serde_json::from_value::<Limits>(json.clone()).unwrap_err().to_string();
            assert!(fault.contains(says), "{json}: {fault}");
        }
    }
}

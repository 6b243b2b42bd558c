//! One limit in dollars as people write it: in settings, at the command line, and in the JSON of the admin API, where
//! it is a number or a text, and null is no limit. Used there as `#[serde(with = "amount")]`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};

use crate::service::meter::money::{DecimalError, MicroDollars};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// Above this a number in JSON would not be exact to six places.
    #[error("is more than {} dollars", MOST)]
    TooMuch,
}

pub(crate) fn read(text: &str) -> Result<MicroDollars, AmountError> {
    let amount = MicroDollars::parse_dollars(text)?;
    if amount > MicroDollars::new(MOST * 1_000_000) { Err(AmountError::TooMuch) } else { Ok(amount) }
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
pub(super) fn serialize<S: Serializer>(amount: &Option<MicroDollars>, serializer: S) -> Result<S::Ok, S::Error> {
    amount.map(MicroDollars::in_dollars).serialize(serializer)
}

/// Reads a number by its shortest text, which up to the largest limit is the text that was written. `Display` of `f64`
/// is used because it never turns to exponents, as JSON's own writer does below 0.00001.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MicroDollars>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
        Value::String(text) => text,
        _ => return Err(D::Error::custom("is neither dollars, as a number or a text, nor null")),
    };
    read(&text).map(Some).map_err(|fault| D::Error::custom(format!("{text:?} {fault}")))
}

/// The schema of an amount in the API's document.
pub(super) fn schema() -> OneOfBuilder {
    let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0_u64)).maximum(Some(MOST));
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[0-9_]+(\.[0-9_]+)?$"));
    let none = ObjectBuilder::new().schema_type(Type::Null);
    let says =
        "US dollars with six decimal places at most, as a number or a text. Null is no limit, 0 lets nothing through.";
    OneOfBuilder::new().item(number).item(text).item(none).description(Some(says))
}

/// The largest limit in dollars.
const MOST: u64 = 1_000_000_000;

//! Lenient readers of the parts of a usage object: a value of the wrong type reads as nothing and is never an error.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// `None` when the value is not an object, so that a bad value does not void its neighbours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LenientObject<T>(pub(super) Option<T>);

/// The objects in a list; empty when the value is not a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LenientObjects<T>(pub(super) Vec<T>);

/// `None` when the value is not a string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LenientText(pub(super) Option<Box<str>>);

/// A count of tokens or requests. A bad counter must not void the others, and sums of counts must not overflow, neither here
/// nor in a database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Count {
    /// Also `null`.
    #[default]
    Absent,
    Of(u64),
    /// The value is not a whole number, or above [`MOST`].
    Unreadable,
}

impl Count {
    pub(super) fn get(self) -> Option<u64> {
        match self {
            Self::Of(count) => Some(count),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

/// A word of a usage object about how a request was served, as far as it changes the price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ServiceWord {
    /// The price of the list. Also `null`.
    #[default]
    Usual,
    Fast,
    Us,
    Batch,
    /// What it does to the price is not known.
    Unlisted,
}

impl From<&str> for ServiceWord {
    fn from(word: &str) -> Self {
        match word {
            "standard" | "global" | "not_available" | "" => Self::Usual,
            "fast" => Self::Fast,
            "us" => Self::Us,
            "batch" => Self::Batch,
            _ => Self::Unlisted,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LenientObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LenientVisitor::<T, NoText, false>(PhantomData))? {
            LenientValue::Object(object) => Ok(Self(Some(object))),
            _ => Ok(Self(None)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LenientObjects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LenientVisitor::<T, NoText, true>(PhantomData))? {
            LenientValue::Objects(objects) => Ok(Self(objects)),
            _ => Ok(Self(Vec::new())),
        }
    }
}

impl<'de> Deserialize<'de> for LenientText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LenientVisitor::<IgnoredAny, Box<str>, false>(PhantomData))? {
            LenientValue::Text(text) => Ok(Self(Some(text))),
            _ => Ok(Self(None)),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LenientVisitor::<IgnoredAny, NoText, false>(PhantomData))? {
            LenientValue::Number(count) if count <= MOST => Ok(Self::Of(count)),
            LenientValue::Null => Ok(Self::Absent),
            _ => Ok(Self::Unreadable),
        }
    }
}

impl<'de> Deserialize<'de> for ServiceWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LenientVisitor::<IgnoredAny, Self, false>(PhantomData))? {
            LenientValue::Text(word) => Ok(word),
            LenientValue::Null => Ok(Self::Usual),
            _ => Ok(Self::Unlisted),
        }
    }
}

/// Stands for a text that no reader wants.
struct NoText;

impl From<&str> for NoText {
    fn from(_: &str) -> Self {
        Self
    }
}

/// What a value turned out to be, as far as any reader wants it.
enum LenientValue<T, Text> {
    Object(T),
    Objects(Vec<T>),
    Text(Text),
    Number(u64),
    Null,
    Other,
}

/// With `INTO_LISTS` the objects of a list are collected. Without it lists are skipped, however deep they are.
struct LenientVisitor<T, Text, const INTO_LISTS: bool>(PhantomData<(T, Text)>);

impl<'de, T, Text, const INTO_LISTS: bool> Visitor<'de> for LenientVisitor<T, Text, INTO_LISTS>
where
    T: Deserialize<'de>,
    Text: for<'text> From<&'text str>,
{
    type Value = LenientValue<T, Text>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(LenientValue::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut objects = Vec::new();
        if INTO_LISTS {
            while let Some(LenientObject(object)) = seq.next_element::<LenientObject<T>>()? {
                objects.extend(object);
            }
        } else {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(LenientValue::Objects(objects))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(LenientValue::Text(text.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(LenientValue::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(LenientValue::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(LenientValue::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(LenientValue::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(LenientValue::Null)
    }
}

/// A million times the input of the largest model. Eight million such counts fit into 63 bits.
const MOST: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a33_a_value_that_is_not_a_count_is_none_and_does_not_pass_for_an_absent_one() {
        let read = |text: &str| serde_json::from_str::<Count>(text).unwrap();
        assert_eq!((read("7").get(), read("1099511627776").get()), (Some(7), Some(MOST)));
        assert_eq!((read("null"), read("null").get()), (Count::Absent, None));
        for text in [
            "1099511627777",
            "18446744073709551615",
            "18446744073709551616",
            "-1",
            "1.5",
            "1e300",
            "true",
            "\"7\"",
            "[1]",
            "{}",
        ] {
            assert_eq!((read(text), read(text).get()), (Count::Unreadable, None), "{text}");
        }
    }

    #[test]
    fn a_word_without_a_known_price_is_unlisted() {
        let read = |text: &str| serde_json::from_str::<ServiceWord>(text).unwrap();
        for text in ["\"standard\"", "\"global\"", "\"not_available\"", "\"\"", "null"] {
            assert_eq!(read(text), ServiceWord::Usual, "{text}");
        }
        let known = ["\"fast\"", "\"us\"", "\"batch\""].map(read);
        assert_eq!(known, [ServiceWord::Fast, ServiceWord::Us, ServiceWord::Batch]);
        for text in ["\"priority\"", "\"Fast\"", "\"eu\"", "1", "-1", "1.5", "true", "[\"fast\"]", "{}"] {
            assert_eq!(read(text), ServiceWord::Unlisted, "{text}");
        }
    }
}

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

/// `None` when the value is not a whole number, or above [`MOST`]. A bad counter must not void the others, and sums of
/// counts must not overflow, neither here nor in a database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) Option<u64>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LenientObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LenientVisitor::<T, false>(PhantomData))? {
            LenientValue::Object(object) => Ok(Self(Some(object))),
            _ => Ok(Self(None)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LenientObjects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LenientVisitor::<T, true>(PhantomData))? {
            LenientValue::Objects(objects) => Ok(Self(objects)),
            _ => Ok(Self(Vec::new())),
        }
    }
}

impl<'de> Deserialize<'de> for LenientText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LenientVisitor::<IgnoredAny, false>(PhantomData))? {
            LenientValue::Text(text) => Ok(Self(Some(text))),
            _ => Ok(Self(None)),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(LenientVisitor::<IgnoredAny, false>(PhantomData))? {
            LenientValue::Number(count) if count <= MOST => Ok(Self(Some(count))),
            _ => Ok(Self(None)),
        }
    }
}

/// What a value turned out to be, as far as any reader wants it.
enum LenientValue<T> {
    Object(T),
    Objects(Vec<T>),
    Text(Box<str>),
    Number(u64),
    Other,
}

/// With `INTO_LISTS` the objects of a list are collected. Without it lists are skipped, however deep they are.
struct LenientVisitor<T, const INTO_LISTS: bool>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const INTO_LISTS: bool> Visitor<'de> for LenientVisitor<T, INTO_LISTS> {
    type Value = LenientValue<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LenientValue<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(LenientValue::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LenientValue<T>, A::Error> {
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

    fn visit_str<E>(self, text: &str) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::Text(text.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::Other)
    }

    fn visit_unit<E>(self) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::Other)
    }
}

/// A million times the input of the largest model. Eight million such counts fit into 63 bits.
const MOST: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a33_a_value_that_is_not_a_count_reads_as_none() {
        let read = |text: &str| serde_json::from_str::<Count>(text).unwrap().0;
        assert_eq!(read("7"), Some(7));
        assert_eq!(read("1099511627776"), Some(MOST));
        for text in
            ["1099511627777", "18446744073709551615", "18446744073709551616", "-1", "1.5", "1e300", "null", "[1]", "{}"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

//! Lenient readers of the parts of a usage object: a value of the wrong type reads as nothing and is never an error.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// `None` when the value is not an object, so that a bad value does not void its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LenientObject<T>(pub(super) Option<T>);

/// The objects in a list; empty when the value is not a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LenientObjects<T>(pub(super) Vec<T>);

/// `None` when the value is not a string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LenientText(pub(super) Option<Box<str>>);

impl<T> Default for LenientObject<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for LenientObjects<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LenientObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let LenientValue { object, .. } = deserializer.deserialize_any(LenientVisitor::<T, false>(PhantomData))?;
        Ok(Self(object))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LenientObjects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let LenientValue { objects, .. } = deserializer.deserialize_any(LenientVisitor::<T, true>(PhantomData))?;
        Ok(Self(objects))
    }
}

impl<'de> Deserialize<'de> for LenientText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let LenientValue { text, .. } =
            deserializer.deserialize_any(LenientVisitor::<IgnoredAny, false>(PhantomData))?;
        Ok(Self(text))
    }
}

/// What a value turned out to be. At most one field is filled.
struct LenientValue<T> {
    object: Option<T>,
    objects: Vec<T>,
    text: Option<Box<str>>,
}

impl<T> Default for LenientValue<T> {
    fn default() -> Self {
        Self { object: None, objects: Vec::new(), text: None }
    }
}

/// With `INTO_LISTS` the objects of a list are collected. Without it lists are skipped, however deep they are.
struct LenientVisitor<T, const INTO_LISTS: bool>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const INTO_LISTS: bool> Visitor<'de> for LenientVisitor<T, INTO_LISTS> {
    type Value = LenientValue<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LenientValue<T>, A::Error> {
        let object = T::deserialize(MapAccessDeserializer::new(map))?;
        Ok(LenientValue { object: Some(object), ..LenientValue::default() })
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
        Ok(LenientValue { objects, ..LenientValue::default() })
    }

    fn visit_str<E>(self, text: &str) -> Result<LenientValue<T>, E> {
        Ok(LenientValue { text: Some(text.into()), ..LenientValue::default() })
    }

    fn visit_u64<E>(self, _: u64) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::default())
    }

    fn visit_unit<E>(self) -> Result<LenientValue<T>, E> {
        Ok(LenientValue::default())
    }
}

//! Lenient readers of the parts of a usage object: a value of the wrong type reads as nothing and is never an error.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// `None` when the value is not an object, so that a bad value does not void its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object<T>(pub(super) Option<T>);

/// The objects in a list; empty when the value is not a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objects<T>(pub(super) Vec<T>);

/// `None` when the value is not a string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) Option<Box<str>>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Seen { object, .. } = deserializer.deserialize_any(Look::<T, false>(PhantomData))?;
        Ok(Self(object))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Seen { objects, .. } = deserializer.deserialize_any(Look::<T, true>(PhantomData))?;
        Ok(Self(objects))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Seen { text, .. } = deserializer.deserialize_any(Look::<IgnoredAny, false>(PhantomData))?;
        Ok(Self(text))
    }
}

/// What a value turned out to be. At most one field is filled.
struct Seen<T> {
    object: Option<T>,
    objects: Vec<T>,
    text: Option<Box<str>>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { object: None, objects: Vec::new(), text: None }
    }
}

/// With `INTO_LISTS` the objects of a list are collected. Without it lists are skipped, however deep they are.
struct Look<T, const INTO_LISTS: bool>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const INTO_LISTS: bool> Visitor<'de> for Look<T, INTO_LISTS> {
    type Value = Seen<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Seen<T>, A::Error> {
        let object = T::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Seen { object: Some(object), ..Seen::default() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seen<T>, A::Error> {
        let mut objects = Vec::new();
        if INTO_LISTS {
            while let Some(Object(object)) = seq.next_element::<Object<T>>()? {
                objects.extend(object);
            }
        } else {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(Seen { objects, ..Seen::default() })
    }

    fn visit_str<E>(self, text: &str) -> Result<Seen<T>, E> {
        Ok(Seen { text: Some(text.into()), ..Seen::default() })
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen<T>, E> {
        Ok(Seen::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen<T>, E> {
        Ok(Seen::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen<T>, E> {
        Ok(Seen::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen<T>, E> {
        Ok(Seen::default())
    }

    fn visit_unit<E>(self) -> Result<Seen<T>, E> {
        Ok(Seen::default())
    }
}

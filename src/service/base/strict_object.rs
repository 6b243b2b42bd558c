//! Rejects JSON arrays where serde would accept them as structs: `[]` would otherwise deserialise with every field
//! absent. Readers of request bodies, tokens and stored rows use it.

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Reads `T` from an object only. Structs inside `T` are not guarded.
pub(crate) struct StrictObject<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for StrictObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(AsMap(deserializer)).map(Self)
    }
}

/// Answers serde's request for any type with a map.
struct AsMap<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for AsMap<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Pair {
        one: u32,
        other: u32,
    }

    #[test]
    fn an_object_is_read_and_an_array_is_not() {
        let read = |text| serde_json::from_str::<StrictObject<Pair>>(text).map(|StrictObject(pair)| pair);
        assert_eq!(read(r#"{"other":2}"#).unwrap(), Pair { one: 0, other: 2 });
        for text in ["[]", "[1]", "[1,2]", "null", "1", r#""""#, r#"{"one":1,"one":2}"#, r#"{"third":3}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        let said = read("[]").unwrap_err().to_string();
        assert!(said.starts_with("invalid type: sequence, expected"), "{said}");
    }
}

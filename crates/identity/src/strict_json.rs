//! JSON of which two readers can not think differently.
//!
//! A JSON object that names a member twice means one thing to one library and another to the next (RFC 8259 4; RFC 7519 4
//! lets a reader refuse it). What says who someone is must not depend on that, so such a text is refused, at any depth.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Objects and lists within each other.
const DEPTH: usize = 8;
/// Values in all: more than 8 KiB of token can usefully hold.
const VALUES: usize = 2048;

/// Reads a text that is one object, each member named once, not too deep and not too many.
///
/// The error says what is wrong and where, and nothing of what the text holds.
pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, String> {
    let left = Cell::new(VALUES);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: DEPTH, left: &left }.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    match value {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("no JSON object".to_owned()),
        // Errors of syntax never quote; of the others, we make the text ourselves.
        Err(error) if error.is_data() => Err(error.to_string()),
        Err(error) => Err(format!("no JSON (line {}, column {})", error.line(), error.column())),
    }
}

struct Strict<'c> {
    /// How much deeper it may get.
    depth: usize,
    /// How many more values there may be.
    left: &'c Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: Error>(&self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { depth, left: self.left })
    }
}

impl Clone for Strict<'_> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner.clone())? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.insert(name, members.next_value_seed(inner.clone())?).is_some() {
                return Err(A::Error::custom("an object names a member twice"));
            }
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_is_named_once_at_any_depth_and_everything_is_bounded() {
        for (text, expected) in [
            (r#"{"a":1,"a":2}"#.to_owned(), "twice"),
            (r#"{"a":[{"b":1,"\u0062":2}]}"#.to_owned(), "twice"),
            ("[]".to_owned(), "no JSON object"),
            ("{} x".to_owned(), "no JSON (line 1"),
            (String::new(), "no JSON (line 1"),
            (format!(r#"{{"a":{}1{}}}"#, "[".repeat(9), "]".repeat(9)), "too deep"),
            (format!(r#"{{"a":[{}1]}}"#, "1,".repeat(VALUES)), "too many values"),
            (r#"{"a":1e999}"#.to_owned(), "no JSON"),
        ] {
            let error = object(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(object(format!(r#"{{"a":{}1{}}}"#, "[".repeat(7), "]".repeat(7)).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn what_it_reads_is_what_serde_json_reads(text in r#"[\{\}\[\]",:a-c0-9\\. ]{0,40}"#) {
            if let Ok(map) = object(text.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), Value::Object(map));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = object(&bytes);
        }
    }
}

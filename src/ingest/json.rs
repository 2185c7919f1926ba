//! A JSON object of known keys.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::fields::Fields;
use super::{WHOLE_RECORD, rejection};
use crate::domain::report::Rejection;

/// The object's values by name.
///
/// # Errors
/// A rejection where `text` is no JSON object, and of a key that is unknown or comes twice.
pub(super) fn object<const N: usize>(
    text: &str,
    names: &'static [&'static str; N],
) -> Result<Fields<Value, N>, Rejection> {
    let mut refused = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Known {
        names,
        refused: &mut refused,
    }
    .deserialize(&mut deserializer)
    .and_then(|values| deserializer.end().map(|()| values));
    match (refused, read) {
        (Some(rejection), _) => Err(rejection),
        (None, Ok(values)) => Ok(Fields { names, values }),
        (None, Err(error)) => {
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default();
            Err(rejection(
                WHOLE_RECORD,
                format_args!(
                    "it is no JSON object: {reason} at column {}",
                    error.column()
                ),
            ))
        }
    }
}

struct Known<'a, const N: usize> {
    names: &'static [&'static str; N],
    /// Why a key was refused: serde's errors carry text alone.
    refused: &'a mut Option<Rejection>,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Known<'_, N> {
    type Value = [Option<Value>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Known<'_, N> {
    type Value = [Option<Value>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [const { None }; N];
        while let Some(key) = map.next_key::<String>()? {
            let slot = self.names.iter().position(|name| *name == key);
            let detail = match slot {
                None => format!("it is unknown; known are {}", self.names.join(", ")),
                Some(slot) if values[slot].is_some() => "it comes twice".to_owned(),
                Some(slot) => {
                    values[slot] = Some(map.next_value()?);
                    continue;
                }
            };
            *self.refused = Some(rejection(&key, detail));
            return Err(A::Error::custom("refused key"));
        }
        Ok(values)
    }
}

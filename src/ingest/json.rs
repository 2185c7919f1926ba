//! JSON objects with known keys.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use serde_json::Number;

use super::fields::{FieldValue, Fields, Unknown, parsed_time};
use super::rejected::{WHOLE_RECORD, quoted, rejection};
use crate::domain::time::Timestamp;
use crate::engine::verdict::Rejection;

/// A value of a record. Objects, and arrays other than lists of texts, are not stored, because no
/// field accepts them and a mebioctet of them would take a hundred in memory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Scalar<'a> {
    Array,
    Bool(bool),
    Null,
    Number(Number),
    Object,
    Text(Cow<'a, str>),
    /// At most [`MOST_TEXTS`].
    Texts(Vec<Cow<'a, str>>),
}

/// The most texts of a list that are kept: as many as names of a certificate.
pub(super) const MOST_TEXTS: usize = 2_000;

/// The object's values by name.
///
/// # Errors
/// `text` is not a JSON object, or has an unknown or repeated key.
pub(super) fn object<'a, const N: usize>(
    text: &'a str,
    names: &'static [&'static str; N],
    unknown: Unknown,
) -> Result<Fields<Scalar<'a>, N>, Rejection> {
    let mut refused = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Known {
        names,
        unknown,
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
    unknown: Unknown,
    /// Why a key was rejected, because serde's errors contain only text.
    refused: &'a mut Option<Rejection>,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Known<'_, N> {
    type Value = [Option<Scalar<'de>>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Known<'_, N> {
    type Value = [Option<Scalar<'de>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [const { None }; N];
        while let Some(key) = map.next_key::<String>()? {
            let slot = self.names.iter().position(|name| *name == key);
            let detail = match slot {
                None if self.unknown == Unknown::Ignored => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
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

impl FieldValue for Scalar<'_> {
    fn is_absent(&self) -> bool {
        *self == Self::Null
    }

    fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(format!("{other} is no string")),
        }
    }

    fn whole(&self) -> Result<u64, String> {
        match self {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
        .ok_or_else(|| format!("{self} is no whole number from 0 on"))
    }

    fn number(&self) -> Result<f64, String> {
        match self {
            Self::Number(number) => number.as_f64(),
            _ => None,
        }
        .ok_or_else(|| format!("{self} is no number"))
    }

    fn time(&self) -> Result<Timestamp, String> {
        match self {
            Self::Text(text) => parsed_time(text),
            other => parsed_time(&other.to_string()),
        }
    }
}

/// As quoted in a rejection.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array | Self::Texts(_) => f.write_str("an array"),
            Self::Bool(value) => value.fmt(f),
            Self::Null => f.write_str("null"),
            Self::Number(number) => number.fmt(f),
            Self::Object => f.write_str("an object"),
            Self::Text(text) => quoted(text).fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyScalar)
    }
}

struct AnyScalar;

impl<'de> Visitor<'de> for AnyScalar {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Scalar::Null, Scalar::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(element) = array.next_element()? {
            match element {
                Scalar::Text(text) if texts.len() < MOST_TEXTS => texts.push(text),
                _ => {
                    while array.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Scalar::Array);
                }
            }
        }
        Ok(Scalar::Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

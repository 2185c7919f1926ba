//! Reads only those members of an answer's JSON that identify it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The members that identify an object. Of duplicates the last one counts, as in most parsers. Most
/// answers are read for nothing else, so nothing else is kept.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) authorizations: Member<'a>,
    pub(super) challenges: Member<'a>,
    pub(super) contact: Member<'a>,
    pub(super) finalize: Member<'a>,
    pub(super) identifier: Member<'a>,
    pub(super) kind: Member<'a>,
    pub(super) new_account: Member<'a>,
    pub(super) new_nonce: Member<'a>,
    pub(super) new_order: Member<'a>,
    pub(super) orders: Member<'a>,
    pub(super) status: Member<'a>,
    pub(super) url: Member<'a>,
}

impl<'a> Members<'a> {
    /// Reads them, if the JSON is an object.
    pub(super) fn of(json: &'a [u8]) -> Option<Self> {
        // Invalid UTF-8 is invalid JSON, also in members that are skipped.
        serde_json::from_str(std::str::from_utf8(json).ok()?).ok()
    }
}

/// The names of these members.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Name {
    Authorizations,
    Challenges,
    Contact,
    Finalize,
    Identifier,
    NewAccount,
    NewNonce,
    NewOrder,
    Orders,
    Status,
    Type,
    Url,
    #[serde(other)]
    Unknown,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(AllMembers)
    }
}

/// Reads the members of an object.
struct AllMembers;

impl<'de> Visitor<'de> for AllMembers {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        let mut object = object;
        let mut members = Members::default();
        while let Some(name) = object.next_key()? {
            let place = match name {
                Name::Authorizations => &mut members.authorizations,
                Name::Challenges => &mut members.challenges,
                Name::Contact => &mut members.contact,
                Name::Finalize => &mut members.finalize,
                Name::Identifier => &mut members.identifier,
                Name::NewAccount => &mut members.new_account,
                Name::NewNonce => &mut members.new_nonce,
                Name::NewOrder => &mut members.new_order,
                Name::Orders => &mut members.orders,
                Name::Status => &mut members.status,
                Name::Type => &mut members.kind,
                Name::Url => &mut members.url,
                Name::Unknown => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = object.next_value()?;
        }
        Ok(members)
    }
}

/// A member's value, as far as it is needed.
#[derive(Default)]
pub(super) enum Member<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    List,
    Other,
}

impl Member<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) const fn is_there(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyMember)
    }
}

/// Accepts a value of any type.
struct AnyMember;

impl<'de> Visitor<'de> for AnyMember {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Borrowed(text)))
    }

    // The text contains escapes.
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        let mut list = list;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        let mut object = object;
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Member::Other)
    }
}

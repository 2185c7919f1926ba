//! Reads DER element by element, with errors that name what is missing.

use x509_parser::asn1_rs::{Any, Class, FromDer, Tag};

use crate::engine::verdict::Rejection;
use crate::ingest::rejected::rejection;

/// The content of the next element, which must have the universal type `tag`.
pub(super) fn take<'a>(rest: &mut &'a [u8], name: &str, tag: Tag) -> Result<&'a [u8], Rejection> {
    let any = element(rest, name)?;
    if any.class() == Class::Universal && any.tag() == tag {
        Ok(any.data)
    } else {
        Err(rejection(
            name,
            format_args!("there is another type where its {tag} should be"),
        ))
    }
}

pub(super) fn element<'a>(rest: &mut &'a [u8], name: &str) -> Result<Any<'a>, Rejection> {
    let (after, any) = Any::from_der(rest).map_err(|_| {
        rejection(
            name,
            "there is no complete DER element where it should be; the certificate is cut off or no \
             DER",
        )
    })?;
    *rest = after;
    Ok(any)
}

pub(super) fn first_is_context(rest: &[u8], number: u8) -> bool {
    // Context-specific, constructed: 0b10_1 and the number.
    rest.first() == Some(&(0b1010_0000 | number))
}

pub(super) fn nothing_after(rest: &[u8], name: &str) -> Result<(), Rejection> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(rejection(
            name,
            format_args!("{} octets follow its last element", rest.len()),
        ))
    }
}

/// The content of the OCTET STRING in the first extension with this identifier.
pub(super) fn extension(mut list: &[u8], wanted: [u8; 3]) -> Result<Option<&[u8]>, Rejection> {
    const NAME: &str = "extensions";
    while !list.is_empty() {
        let mut one = take(&mut list, NAME, Tag::Sequence)?;
        let oid = take(&mut one, NAME, Tag::Oid)?;
        let mut value = element(&mut one, NAME)?;
        if value.tag() == Tag::Boolean {
            value = element(&mut one, NAME)?;
        }
        if oid == wanted {
            return Ok(Some(value.data));
        }
    }
    Ok(None)
}

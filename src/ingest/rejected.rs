//! Rejections, with short texts however much of the input they quote.

use std::fmt::{self, Display, Write as _};

use crate::engine::verdict::Rejection;

/// The field name used if the error concerns no single field.
pub(super) const WHOLE_RECORD: &str = "record";

/// The most characters of a value that are quoted: the longest CertID has 130.
const MOST_QUOTED: usize = 130;

/// The most octets of a reason: a CertID and a sentence.
pub(super) const MOST_DETAIL: usize = 300;

/// A rejection with short texts that use no more memory than their length, because rejections are
/// kept until their step is durable.
pub(super) fn rejection(field: impl Display, detail: impl Display) -> Rejection {
    // 64 octets are enough for a column name.
    Rejection::new(cut(field, 64), cut(detail, MOST_DETAIL))
}

/// The beginning of a text; the rest is neither formatted nor stored.
pub(super) fn cut(text: impl Display, most_octets: usize) -> String {
    let mut short = Short {
        text: String::new(),
        most_octets,
    };
    // Formatting stops with an error if the text is longer.
    let _ = write!(short, "{text}");
    short.text
}

struct Short {
    text: String,
    most_octets: usize,
}

impl fmt::Write for Short {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = self.most_octets - self.text.len();
        if more.len() <= room {
            self.text.push_str(more);
            return Ok(());
        }
        self.text.push_str(&more[..more.floor_char_boundary(room)]);
        self.text.push('…');
        Err(fmt::Error)
    }
}

/// A value in quotes, shortened if it is long, so that the reason after it remains readable.
pub(super) fn quoted(text: &str) -> impl Display {
    fmt::from_fn(move |f| {
        let beginning = beginning(text);
        let end = if beginning.len() < text.len() {
            "…"
        } else {
            ""
        };
        write!(f, "{beginning:?}{end}")
    })
}

pub(super) fn beginning(text: &str) -> &str {
    match text.char_indices().nth(MOST_QUOTED) {
        None => text,
        Some((end, _)) => &text[..end],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_of_a_long_value_is_short_in_memory_too() {
        let value = "é\u{1}".repeat(1 << 19);
        let of_value = rejection(&value, format_args!("{} is too long", quoted(&value)));
        assert!(of_value.detail.ends_with('…'), "{}", of_value.detail);
        let of_text = rejection("a", &value);
        assert_eq!(of_text.detail.len(), 300 + '…'.len_utf8());
        for text in [of_value.field, of_value.detail, of_text.detail] {
            assert!(text.capacity() <= 1_024, "{}", text.capacity());
        }
    }

    #[test]
    fn a_long_value_does_not_hide_the_reason() {
        let value = "x".repeat(1 << 20);
        let rejection = rejection("a", format_args!("{} is no number", quoted(&value)));
        assert!(
            rejection.detail.ends_with("x\"… is no number"),
            "{}",
            rejection.detail
        );
    }
}

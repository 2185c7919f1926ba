//! `[[ca.planned]]`: a bulk event that is announced in advance.

use super::error::Problems;
use super::section::Section;
use super::value;
use crate::domain::policy::planned::Planned;
use crate::domain::time::Span;

/// The most certificates of an event: a trillion is a thousand times what all CAs together have ever
/// issued in a year. Certificates are counted exactly up to 2^53.
const MOST_CERTIFICATES: f64 = 1e12;

/// One event; `None` if a key is missing; the problem is then added.
pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Planned> {
    let from = section.require("from", problems, value::instant);
    let to = section.require("to", problems, value::instant);
    let certificates = section.require("certificates", problems, |v| {
        let certificates = value::number(v)?;
        if certificates > 0.0 && certificates <= MOST_CERTIFICATES {
            Ok(certificates)
        } else {
            Err(format!(
                "{certificates} is not more than 0 and at most 10^12"
            ))
        }
    });
    let span = Span {
        from: from?,
        to: to?,
    };
    if span.seconds() == 0 {
        section.fault("to", problems, "is not after from");
    }
    Some(Planned {
        span,
        certificates: certificates?,
    })
}

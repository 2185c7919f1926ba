//! `[[ca.band]]`: the part of a life in which a certificate may be renewed.

use toml::de::DeValue;

use super::duration::{self, MOST_SECONDS};
use super::error::Problems;
use super::section::Section;
use super::value;
use crate::domain::policy::ca::BandRule;
use crate::domain::time::HOUR;

/// Windows start after a fifth of life (`docs/allocation.md`), so a band that ends there is empty.
const EARLIEST_END: f64 = 0.2;

/// Lives under 12 h have no slots (`docs/allocation.md`), so a band is checked at this life or at the
/// shortest life that it is for, whichever is longer.
const SHORTEST_LIFE_WITH_SLOTS: i64 = 12 * HOUR;

/// How far a band widens if the file does not say: to a fifth of the life.
const DEFAULT_MAX_LENGTH: f64 = 0.2;

/// The length of a band as written: a duration, a fraction, or the smaller of the two.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Length {
    seconds: Option<i64>,
    fraction: Option<f64>,
}

/// The bands of one CA: those in the file, then the default ones for all other lives.
pub(super) fn read_all(ca: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<BandRule> {
    let mut bands: Vec<BandRule> = Vec::new();
    for mut section in ca.sections("band", problems) {
        let band = read(&mut section, problems);
        if let Some(before) = bands.last()
            && before.min_life_seconds <= band.min_life_seconds
        {
            let life = duration::in_words(before.min_life_seconds);
            section.fault(
                "min_life",
                problems,
                format!("is never reached: the band before takes every life from {life} on"),
            );
        }
        bands.push(band);
        section.finish(problems);
    }
    let shortest = bands.last().map_or(i64::MAX, |band| band.min_life_seconds);
    bands.extend(
        BandRule::DEFAULTS
            .into_iter()
            .filter(|band| band.min_life_seconds < shortest),
    );
    bands
}

fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> BandRule {
    let min_life_seconds = section
        .read("min_life", problems, |v| {
            value::duration(v, 0..=MOST_SECONDS)
        })
        .unwrap_or(0);
    let shortest = min_life_seconds.max(SHORTEST_LIFE_WITH_SLOTS);
    let end = section.require("end", problems, |v| end(v, shortest));
    let length = section.require("length", problems, length);
    let max_length = section.read("max_length", problems, max_length);
    if let Some(length) = length {
        if let (Some(fraction), Some(most)) = (length.fraction, max_length)
            && fraction > most
        {
            let reason = format!("{most} is less than the length, {fraction}");
            section.fault("max_length", problems, reason);
        }
        if let (Some(seconds), None) = (length.seconds, length.fraction) {
            let most = max_length.unwrap_or(DEFAULT_MAX_LENGTH);
            if as_f64(seconds) > most * as_f64(shortest) {
                let (length, life) = (duration::in_words(seconds), duration::in_words(shortest));
                let reason = format!(
                    r#"{length} is more than max_length, {most}, of a life of {life}: write "min({length}, {most})""#
                );
                section.fault("length", problems, reason);
            }
        }
    }
    // If something is missing or wrong, a problem was added, so this value is never used.
    let (end_fraction, end_offset_seconds) = end.unwrap_or((0.5, 0));
    let length = length.unwrap_or(Length {
        seconds: None,
        fraction: None,
    });
    BandRule {
        min_life_seconds,
        end_fraction,
        end_offset_seconds,
        length_seconds: length.seconds.unwrap_or(MOST_SECONDS),
        length_fraction: length.fraction.unwrap_or(1.0),
        max_length_fraction: max_length
            .unwrap_or_else(|| length.fraction.unwrap_or(0.0).max(DEFAULT_MAX_LENGTH)),
    }
}

/// `2/3 - 2h`: a fraction of the life, with an optional duration added or subtracted. It is checked at
/// the shortest life of the band.
fn end(value: &DeValue<'_>, shortest_life_seconds: i64) -> Result<(f64, i64), String> {
    let (fraction, offset_seconds) = match value {
        DeValue::String(text) => end_of_text(text)?,
        other => (value::number(other)?, 0),
    };
    if !(fraction > EARLIEST_END && fraction < 1.0) {
        return Err(format!(
            "the end must lie between {EARLIEST_END} and 1 of the life; it lies at {fraction}"
        ));
    }
    let shortest = as_f64(shortest_life_seconds);
    let at = fraction + as_f64(offset_seconds) / shortest;
    if at > EARLIEST_END && at < 1.0 {
        Ok((fraction, offset_seconds))
    } else {
        Err(format!(
            "the end must lie between {EARLIEST_END} and 1 of the life; of a life of {} it lies at {at:.2}",
            duration::in_words(shortest_life_seconds)
        ))
    }
}

fn end_of_text(text: &str) -> Result<(f64, i64), String> {
    let wrong = || format!(r#"{text:?} is no end: write "2/3", "0.49" or "2/3 - 2h""#);
    let (written, sign, offset) = match text.split_once(['+', '-']) {
        None => (text, 1, None),
        Some((written, offset)) => {
            let sign = if text[written.len()..].starts_with('-') {
                -1
            } else {
                1
            };
            (written, sign, Some(offset.trim()))
        }
    };
    let fraction = fraction(written.trim()).ok_or_else(wrong)?;
    let seconds = offset.map_or(Ok(0), duration::seconds)?;
    Ok((fraction, sign * seconds))
}

/// `24h`, `0.15`, or `min(24h, 0.15)`.
fn length(value: &DeValue<'_>) -> Result<Length, String> {
    let length = match value {
        DeValue::String(text) => length_of_text(text)?,
        other => Length {
            seconds: None,
            fraction: Some(value::number(other)?),
        },
    };
    if length.seconds.is_some_and(|seconds| seconds == 0) {
        return Err("a band of no length has no room".to_owned());
    }
    match length.fraction {
        Some(fraction) if !(fraction > 0.0 && fraction < 1.0) => Err(format!(
            "the length must lie between 0 and 1 of the life; it is {fraction}"
        )),
        _ => Ok(length),
    }
}

fn length_of_text(text: &str) -> Result<Length, String> {
    let wrong = || format!(r#"{text:?} is no length: write "24h", "0.15" or "min(24h, 0.15)""#);
    let inner = text
        .trim()
        .strip_prefix("min(")
        .map(|rest| rest.strip_suffix(')').ok_or_else(wrong))
        .transpose()?;
    match inner {
        None => match fraction(text.trim()) {
            Some(fraction) => Ok(Length {
                seconds: None,
                fraction: Some(fraction),
            }),
            None => Ok(Length {
                seconds: Some(duration::seconds(text.trim()).map_err(|_| wrong())?),
                fraction: None,
            }),
        },
        Some(inner) => {
            let (seconds, of_life) = inner.split_once(',').ok_or_else(wrong)?;
            Ok(Length {
                seconds: Some(duration::seconds(seconds.trim()).map_err(|_| wrong())?),
                fraction: Some(fraction(of_life.trim()).ok_or_else(wrong)?),
            })
        }
    }
}

fn max_length(value: &DeValue<'_>) -> Result<f64, String> {
    let most = match value {
        DeValue::String(text) => {
            fraction(text.trim()).ok_or_else(|| format!("{text:?} is no fraction of the life"))?
        }
        other => value::number(other)?,
    };
    if most > 0.0 && most < 1.0 {
        Ok(most)
    } else {
        Err(format!(
            "the greatest length must lie between 0 and 1 of the life; it is {most}"
        ))
    }
}

/// `2/3` or `0.49`.
fn fraction(text: &str) -> Option<f64> {
    let plain = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
            && !part.is_empty()
    };
    let number = |part: &str| plain(part).then(|| value::decimal(part).ok()).flatten();
    match text.split_once('/') {
        None => number(text),
        Some((over, under)) => {
            let under = number(under.trim())?;
            (under > 0.0).then_some(number(over.trim())? / under)
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ten years of seconds are far below 2^52"
)]
const fn as_f64(seconds: i64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::DAY;

    #[test]
    fn reads_ends() {
        let third = 2.0 / 3.0;
        for (text, want) in [
            ("2/3 - 2h", (third, -7_200)),
            ("2/3-2h", (third, -7_200)),
            ("0.49", (0.49, 0)),
            (" 1/2 + 30m ", (0.5, 1_800)),
        ] {
            assert_eq!(end_of_text(text), Ok(want), "{text}");
        }
        for text in [
            "",
            "2/0",
            "2/3 - ",
            "2/3 2h",
            "- 2h",
            "a/b",
            "1e-1",
            "2/3/4",
            "2/3 - 2h - 1h",
        ] {
            assert!(end_of_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_end_is_checked_at_the_shortest_life_of_its_band() {
        let text = |text: &str| DeValue::String(text.to_owned().into());
        assert!(end(&text("2/3 - 2h"), 10 * DAY).is_ok());
        assert!(end(&text("2/3 - 6d"), 10 * DAY).is_err());
        assert!(end(&text("2/3 - 6d"), 90 * DAY).is_ok());
        assert!(end(&text("0.2"), 10 * DAY).is_err());
        assert!(end(&text("1"), 10 * DAY).is_err());
        assert!(end(&text("0.9 + 1d"), 10 * DAY).is_err());
    }

    #[test]
    fn reads_lengths() {
        let of = |seconds, fraction| Ok(Length { seconds, fraction });
        for (text, want) in [
            ("24h", of(Some(DAY), None)),
            ("0.15", of(None, Some(0.15))),
            ("min(24h, 0.15)", of(Some(DAY), Some(0.15))),
            (" min( 24h ,3/20 ) ", of(Some(DAY), Some(0.15))),
        ] {
            assert_eq!(length_of_text(text), want, "{text}");
        }
        for text in [
            "",
            "24",
            "-1",
            "min(24h)",
            "min(24h, 0.15",
            "max(24h, 0.15)",
            "0.15h",
        ] {
            let read = length(&DeValue::String(text.to_owned().into()));
            assert!(read.is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+/.,()min0-9dh ]{0,20}|.*") {
            let value = DeValue::String(text.into());
            let _ = (end(&value, DAY), length(&value), max_length(&value));
        }
    }
}

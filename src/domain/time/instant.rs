//! Instants and spans, in whole Unix seconds.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use chrono::DateTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Seconds in a minute.
pub const MINUTE: i64 = 60;
/// Seconds in an hour.
pub const HOUR: i64 = 3_600;
/// Seconds in a day.
pub const DAY: i64 = 86_400;
/// Seconds in a week.
pub const WEEK: i64 = 604_800;

/// An instant: whole seconds since 1970-01-01T00:00:00Z, limited to the years 0 to 9999, the range
/// of RFC 3339 and X.509.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00Z.
const FIRST: i64 = -62_167_219_200;
/// 9999-12-31T23:59:59Z, which RFC 5280 section 4.1.2.5 assigns to certificates without an end.
const LAST: i64 = 253_402_300_799;

impl Timestamp {
    /// The first representable instant.
    pub const MIN: Self = Self(FIRST);
    /// The last representable instant.
    pub const MAX: Self = Self(LAST);

    /// From Unix seconds, clamped to [`Timestamp::MIN`] and [`Timestamp::MAX`].
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        if seconds < FIRST {
            Self(FIRST)
        } else if seconds > LAST {
            Self(LAST)
        } else {
            Self(seconds)
        }
    }

    /// Unix seconds.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// The length of [`Timestamp::text`], in octets.
    pub const TEXT_OCTETS: usize = 20;

    /// `YYYY-MM-DDTHH:MM:SSZ` in ASCII. An answer contains two of these, and this takes a tenth of
    /// the time of chrono, which allocates.
    #[must_use]
    pub fn text(self) -> [u8; Self::TEXT_OCTETS] {
        let mut text = *b"YYYY-MM-DDTHH:MM:SSZ";
        let (year, month, day) = civil(self.slot(DAY));
        let second = u32::try_from(self.second_of_day()).unwrap_or(0);
        let mut write = |at: usize, number: u32| {
            text[at..at + 2].copy_from_slice(&two_digits(number));
        };
        write(0, year / 100);
        write(2, year % 100);
        write(5, month);
        write(8, day);
        write(11, second / 3_600);
        write(14, second / 60 % 60);
        write(17, second % 60);
        text
    }

    /// The number of the slot of `seconds` that contains this instant, counted from 1970.
    #[must_use]
    pub const fn slot(self, seconds: i64) -> i64 {
        self.0.div_euclid(seconds)
    }

    /// Seconds since the last midnight UTC, 0 to 86,399.
    #[must_use]
    pub const fn second_of_day(self) -> i64 {
        self.0.rem_euclid(DAY)
    }

    /// Seconds since the last Monday 00:00 UTC, 0 to 604,799 (1970-01-01 was a Thursday).
    #[must_use]
    pub const fn second_of_week(self) -> i64 {
        (self.0 + 3 * DAY).rem_euclid(WEEK)
    }
}

impl Add<i64> for Timestamp {
    type Output = Self;
    fn add(self, seconds: i64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }
}

impl Sub<i64> for Timestamp {
    type Output = Self;
    fn sub(self, seconds: i64) -> Self {
        Self::from_unix(self.0.saturating_sub(seconds))
    }
}

impl Sub for Timestamp {
    type Output = i64;
    fn sub(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Timestamp {
    /// `YYYY-MM-DDTHH:MM:SSZ`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Year, month and day of a day number, counted from 1970 in the proleptic Gregorian calendar, by
/// Howard Hinnant's `civil_from_days` (<https://howardhinnant.github.io/date_algorithms.html>). It
/// counts in eras of 400 years, 146,097 days each, here from -0400-03-01, so that no number is
/// negative and a leap day is the last of its year.
fn civil(day_number: i64) -> (u32, u32, u32) {
    let day_number = u32::try_from(day_number + 719_468 + 146_097).unwrap_or(0);
    let era = day_number / 146_097;
    let day_of_era = day_number % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, year) = if month_from_march < 10 {
        (month_from_march + 3, 0)
    } else {
        (month_from_march - 9, 1)
    };
    (
        (era * 400 + year_of_era + year).saturating_sub(400),
        month,
        day,
    )
}

/// A number from 0 to 99 as two digits.
fn two_digits(number: u32) -> [u8; 2] {
    let digit = |number: u32| b'0' + u8::try_from(number % 10).unwrap_or(0);
    [digit(number / 10), digit(number)]
}

/// The text is neither RFC 3339 with `Z` or an offset, nor integer Unix seconds.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no time: RFC 3339 with Z or an offset, or integer Unix seconds, years 0 to 9999")]
pub struct TimeError(pub String);

impl FromStr for Timestamp {
    type Err = TimeError;

    /// RFC 3339 with `Z` or an offset (fractions of a second are dropped), or integer Unix seconds.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let seconds = match text.parse::<i64>() {
            Ok(seconds) => seconds,
            Err(_) => DateTime::parse_from_rfc3339(text)
                .map_err(|_| TimeError(text.to_owned()))?
                .timestamp(),
        };
        if (FIRST..=LAST).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(TimeError(text.to_owned()))
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Text(String),
            Unix(i64),
        }
        match Wire::deserialize(deserializer)? {
            Wire::Text(text) => text.parse(),
            Wire::Unix(seconds) => seconds.to_string().parse(),
        }
        .map_err(serde::de::Error::custom)
    }
}

/// The instants from `from` to before `to`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Span {
    /// The first instant inside.
    pub from: Timestamp,
    /// The first instant after.
    pub to: Timestamp,
}

impl Span {
    /// The length in seconds; 0 if `to` is not after `from`.
    #[must_use]
    pub fn seconds(self) -> i64 {
        (self.to - self.from).max(0)
    }

    /// Whether `at` lies in the span.
    #[must_use]
    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// The same span, shifted back by some seconds.
    #[must_use]
    pub fn earlier(self, seconds: i64) -> Self {
        Self {
            from: self.from - seconds,
            to: self.to - seconds,
        }
    }

    /// The length of the overlap, in seconds.
    #[must_use]
    pub fn overlap_seconds(self, other: Self) -> i64 {
        Self {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        }
        .seconds()
    }

    /// The parts of it outside of `others`, which must be in order and not overlap.
    #[must_use]
    pub fn outside(self, others: &[Self]) -> Vec<Self> {
        let mut left = Vec::new();
        let mut from = self.from;
        for other in others.iter().filter(|o| o.overlap_seconds(self) > 0) {
            if from < other.from {
                left.push(Self {
                    from,
                    to: other.from,
                });
            }
            from = from.max(other.to);
        }
        if from < self.to {
            left.push(Self { from, ..self });
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

    /// Formats with chrono, for comparison.
    fn by_chrono(at: Timestamp) -> String {
        let time = DateTime::from_timestamp(at.unix(), 0).unwrap();
        time.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    #[test]
    fn every_day_is_written_as_chrono_writes_it() {
        for day in FIRST / DAY..=LAST / DAY {
            let midnight = Timestamp::from_unix(day * DAY);
            assert_eq!(midnight.to_string(), by_chrono(midnight));
        }
        for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_unix(-1)] {
            assert_eq!(at.to_string(), by_chrono(at));
        }
    }

    proptest! {
        #[test]
        fn writes_what_chrono_writes(seconds in FIRST..=LAST) {
            let at = Timestamp::from_unix(seconds);
            prop_assert_eq!(at.to_string(), by_chrono(at));
        }
    }

    #[test]
    fn reads_offsets_and_unix_seconds() {
        for (text, want) in [
            ("2026-11-21T04:00:00Z", "2026-11-21T04:00:00Z"),
            ("2026-11-21T05:00:00+01:00", "2026-11-21T04:00:00Z"),
            ("2026-11-21T04:00:00.9Z", "2026-11-21T04:00:00Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("253402300799", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), want);
        }
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T04:00:00",
            "253402300800",
            "1e9",
            "yesterday",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn monday_midnight_starts_the_week() {
        let monday: Timestamp = "2026-11-16T00:00:00Z".parse().unwrap();
        assert_eq!(monday.second_of_week(), 0);
        assert_eq!((monday - 1).second_of_week(), WEEK - 1);
    }
}

//! Durations as people write them: `3510s`, `6h`, `400d`, `1h30m`.

/// The longest duration: ten years, with three leap years. No setting needs more, and sums of such
/// durations are far below the limit of an `i64`.
pub const MOST_SECONDS: i64 = 3_653 * 86_400;

/// The units, in the order in which they are written.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The seconds of a text such as `90s`, `10m`, `6h`, `400d` or `1h30m`: whole numbers with their units,
/// the largest unit first.
///
/// # Errors
/// What is wrong, in words.
pub fn seconds(text: &str) -> Result<i64, String> {
    let wrong =
        || format!(r#"{text:?} is no duration: write "90s", "10m", "6h", "400d" or "1h30m""#);
    let too_long = || format!("{text:?} is longer than {}", in_words(MOST_SECONDS));
    if text.is_empty() {
        return Err(wrong());
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (count, tail) = rest.split_at(digits);
        let name = tail.chars().next().ok_or_else(wrong)?;
        // The search continues after the last unit, so each unit occurs at most once, in descending
        // order.
        let (_, factor) = units.find(|(unit, _)| *unit == name).ok_or_else(wrong)?;
        if count.is_empty() {
            return Err(wrong());
        }
        sum = count
            .parse::<i64>()
            .ok()
            .and_then(|count| count.checked_mul(*factor))
            .and_then(|part| part.checked_add(sum))
            .filter(|sum| *sum <= MOST_SECONDS)
            .ok_or_else(too_long)?;
        rest = &tail[name.len_utf8()..];
    }
    Ok(sum)
}

/// The text for a number of seconds, such as `1h30m`, which [`seconds`] can read. The number is not
/// negative.
#[must_use]
pub fn in_words(seconds: i64) -> String {
    let mut rest = seconds;
    let mut words = String::new();
    for (unit, factor) in UNITS {
        if rest >= factor {
            words.push_str(&(rest / factor).to_string());
            words.push(unit);
            rest %= factor;
        }
    }
    if words.is_empty() {
        words.push_str("0s");
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, want) in [
            ("0s", 0),
            ("3510s", 3_510),
            ("10m", 600),
            ("6h", 21_600),
            ("400d", 34_560_000),
            ("1h30m", 5_400),
            ("1d1h1m1s", 90_061),
            ("3653d", MOST_SECONDS),
        ] {
            assert_eq!(seconds(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for text in [
            "", "6", "h", "6 h", " 6h", "-6h", "+6h", "1.5h", "6H", "30m1h", "1h1h", "6w", "1h30",
            "6h ", "6é",
        ] {
            let error = seconds(text).unwrap_err();
            assert!(error.contains("is no duration"), "{text:?}: {error}");
        }
        for text in ["3653d1s", "99999999999999999999s", "9223372036854775807d"] {
            let error = seconds(text).unwrap_err();
            assert!(error.ends_with("is longer than 3653d"), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(length in 0..=MOST_SECONDS) {
            prop_assert_eq!(seconds(&in_words(length)), Ok(length));
        }

        #[test]
        fn no_text_panics(text in "[0-9dhms]{0,30}|.*") {
            let _ = seconds(&text);
        }
    }
}

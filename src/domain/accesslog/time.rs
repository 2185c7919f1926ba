//! Time formats in logs other than RFC 3339.

use crate::time::Timestamp;

/// `28/Nov/2026:12:30:13 +0000`, as in Apache's `%t` and nginx's `$time_local`.
pub(super) fn common(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let separators = [
        (2, b'/'),
        (6, b'/'),
        (11, b':'),
        (14, b':'),
        (17, b':'),
        (20, b' '),
    ];
    let octets = text.as_bytes();
    if octets.len() != 26 || separators.iter().any(|(at, is)| octets[*at] != *is) {
        return None;
    }
    let name = text.get(3..6)?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let month = i64::try_from(month).ok()? + 1;
    let (day, year) = (number(0, 2)?, number(7, 11)?);
    let seconds = number(12, 14)? * 3_600 + number(15, 17)? * 60 + number(18, 20)?;
    let sign = match octets[21] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let offset = sign * (number(22, 24)? * 3_600 + number(24, 26)? * 60);
    let unix = day_number(year, month, day) * 86_400 + seconds - offset;
    Some(Timestamp::from_unix(unix))
}

/// RFC 3339, or Unix seconds with or without a fraction.
pub(super) fn any(text: &str) -> Option<Timestamp> {
    let whole = match text.split_once('.') {
        Some((whole, fraction))
            if whole.bytes().all(|octet| octet.is_ascii_digit())
                && fraction.bytes().all(|octet| octet.is_ascii_digit()) =>
        {
            whole
        }
        _ => text,
    };
    whole.parse().ok().or_else(|| common(text))
}

/// Days since 1970-01-01: Howard Hinnant's `days_from_civil`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_all_spellings_are_one_instant() {
        let want = "2026-11-28T12:30:13Z".parse::<Timestamp>().ok();
        assert_eq!(common("28/Nov/2026:12:30:13 +0000"), want);
        assert_eq!(common("28/Nov/2026:13:30:13 +0100"), want);
        assert_eq!(common("28/Nov/2026:07:00:13 -0530"), want);
        assert_eq!(any("2026-11-28T12:30:13.5Z"), want);
        let unix = want.map(Timestamp::unix).unwrap_or_default();
        assert_eq!(any(&format!("{unix}.123")), want);
        assert_eq!(any(&unix.to_string()), want);
        assert_eq!(
            common("29/Feb/2024:00:00:00 +0000"),
            "2024-02-29T00:00:00Z".parse().ok()
        );
        for wrong in [
            "",
            "28/Nov/2026",
            "28/Foo/2026:12:30:13 +0000",
            "28/Nov/2026:12:30:13 0000+",
            "28/Nov/2026:12:30:1é +000",
        ] {
            assert_eq!(common(wrong), None, "{wrong}");
        }
    }
}

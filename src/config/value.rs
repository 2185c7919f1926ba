//! Readers of single values. Each takes a value or a text and converts it, or returns what is wrong
//! with it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::de::{DeInteger, DeValue};

use super::duration;
use crate::domain::time::Timestamp;

/// The slots that divide an hour, and so the day, without a remainder.
const SLOT_MINUTES: [i64; 4] = [60, 30, 15, 5];

/// A text.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(format!("takes a text, not {}", kind(other))),
    }
}

/// `true` or `false`.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn switch(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(value) => Ok(*value),
        other => Err(format!("takes true or false, not {}", kind(other))),
    }
}

/// A whole number.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn integer(value: &DeValue<'_>) -> Result<i64, String> {
    match value {
        DeValue::Integer(number) => {
            whole(number).ok_or_else(|| format!("{number} is beyond 64 bits"))
        }
        other => Err(format!("takes a whole number, not {}", kind(other))),
    }
}

/// A finite number.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn number(value: &DeValue<'_>) -> Result<f64, String> {
    match value {
        DeValue::Integer(number) => decimal(&number.to_string()),
        DeValue::Float(number) => decimal(number.as_str()),
        other => Err(format!("takes a number, not {}", kind(other))),
    }
}

/// The path of a file.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    match text(value)? {
        "" => Err("names no file".to_owned()),
        path => Ok(path.into()),
    }
}

/// A number written in decimal.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn decimal(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
        .ok_or_else(|| format!("{text:?} is no number"))
}

/// A share: 0 to 1.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn share(value: &DeValue<'_>) -> Result<f64, String> {
    let share = number(value)?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(format!("{share} is not between 0 and 1"))
    }
}

/// A duration in seconds, within bounds.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn duration(value: &DeValue<'_>, bounds: RangeInclusive<i64>) -> Result<i64, String> {
    let text = match value {
        DeValue::String(text) => text,
        other => {
            return Err(format!(
                r#"takes a duration such as "90s", "6h" or "1h30m", not {}"#,
                kind(other)
            ));
        }
    };
    let seconds = duration::seconds(text)?;
    if seconds < *bounds.start() {
        Err(format!(
            "{text:?} is shorter than {}",
            duration::in_words(*bounds.start())
        ))
    } else if seconds > *bounds.end() {
        Err(format!(
            "{text:?} is longer than {}",
            duration::in_words(*bounds.end())
        ))
    } else {
        Ok(seconds)
    }
}

/// An instant: a TOML date and time with an offset, a text of RFC 3339, or Unix seconds.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn instant(value: &DeValue<'_>) -> Result<Timestamp, String> {
    match value {
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::String(text) => text.to_string(),
        other => return Err(format!("takes a time, not {}", kind(other))),
    }
    .parse()
    .map_err(|error: crate::domain::time::TimeError| error.to_string())
}

/// A SHA-256 as 64 hexadecimal digits.
///
/// # Errors
/// Why the value is none, to stand after its key in a message.
pub fn sha256(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "takes a SHA-256: 64 hexadecimal digits".to_owned();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut octets = [0; 32];
    for (octet, at) in octets.iter_mut().zip((0..64).step_by(2)) {
        *octet = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(octets)
}

/// The prefix of the path of a Unix socket.
pub const UNIX_PREFIX: &str = "unix:";

/// The longest path of a Unix socket in bytes: `sun_path` has 108, with the NUL at the end.
const MOST_SOCKET_PATH_OCTETS: usize = 107;

/// The address of a listener: `ADDRESS:PORT`, such as `127.0.0.1:8080`, `[::1]:8080` or
/// `localhost:8080`, with port 0 for any free one; or `unix:/PATH`.
///
/// # Errors
/// What is wrong with it.
pub fn listen_address(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            r#"{text:?} is no address to listen on: write "127.0.0.1:8080", "[::]:8080" or "unix:/run/offpeak.sock""#
        )
    };
    if let Some(path) = text.strip_prefix(UNIX_PREFIX) {
        let fits = path.starts_with('/')
            && !path.ends_with('/')
            && path.len() <= MOST_SOCKET_PATH_OCTETS
            && !path.contains('\0');
        return if fits {
            Ok(text.to_owned())
        } else {
            Err(wrong())
        };
    }
    if text.parse::<SocketAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port_fits = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if is_host_name(host) && port_fits {
        Ok(text.to_owned())
    } else {
        Err(wrong())
    }
}

/// An absolute http or https URL without query, fragment, user or trailing slash.
///
/// # Errors
/// What is wrong with it.
pub fn base_url(text: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        Err(format!(
            "{text:?} {why}, such as \"https://ari.example.com\""
        ))
    };
    let Some(rest) = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
    else {
        return wrong("is no absolute http or https URL");
    };
    if rest.ends_with('/') {
        return Err(format!("{text:?} ends with a slash: write it without"));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let port_fits = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0)
    };
    let authority_fits = authority
        .parse::<SocketAddr>()
        .is_ok_and(|at| at.port() > 0)
        || authority
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok())
        || match authority.split_once(':') {
            Some((host, port)) => is_host_name(host) && port_fits(port),
            None => is_host_name(authority),
        };
    let path_fits = path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte));
    if !authority_fits {
        return wrong("names no host");
    }
    if !path_fits {
        return wrong("has a query, a fragment or a character that a URL's path cannot have");
    }
    Ok(text.to_owned())
}

/// `sqlite:PATH` or `postgres://…`. It is not opened here.
///
/// # Errors
/// What is wrong with it. The text is not repeated, because it may contain a password.
pub fn database_url(text: &str) -> Result<String, String> {
    let names_one = ["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|scheme| {
            text.strip_prefix(scheme)
                .is_some_and(|rest| !rest.is_empty())
        });
    if names_one {
        Ok(text.to_owned())
    } else {
        Err("this is no database: write \"sqlite:PATH\" or \"postgres://…\"".to_owned())
    }
}

/// The kind of a value, for messages.
#[must_use]
pub const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Array(_) => "an array",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Float(_) | DeValue::Integer(_) => "a number",
        DeValue::String(_) => "a text",
        DeValue::Table(_) => "a table",
    }
}

fn whole(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Letters, digits, dots, hyphens (and underscores, as in names within container networks), at most 253
/// characters: RFC 1035 section 2.3.4.
fn is_host_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

/// The length of a slot, in minutes.
pub(super) fn slot_minutes(value: &DeValue<'_>) -> Result<i64, String> {
    let minutes = integer(value)?;
    if SLOT_MINUTES.contains(&minutes) {
        Ok(minutes)
    } else {
        Err(format!("{minutes} is none of 60, 30, 15 and 5"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_bind_to_addresses_with_a_port() {
        for text in [
            "127.0.0.1:8080",
            "[::]:0",
            "[::1]:65535",
            "localhost:80",
            "my_host.x:1",
            "unix:/run/offpeak.sock",
        ] {
            assert_eq!(listen_address(text), Ok(text.to_owned()));
        }
        for text in [
            "",
            "127.0.0.1",
            ":8080",
            "localhost:",
            "localhost:65536",
            "localhost:+1",
            "::1:80:",
            "http://localhost:80",
            "a b:80",
            "unix:offpeak.sock",
            "unix:",
            "unix:/run/",
            &format!("unix:/{}", "x".repeat(107)),
        ] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn base_urls_are_absolute_and_end_without_a_slash() {
        for text in [
            "https://ari.example.com",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://[2001:db8::1]",
            "https://example.com:8443/acme/ari",
        ] {
            assert_eq!(base_url(text), Ok(text.to_owned()));
        }
        for text in [
            "",
            "ari.example.com",
            "ftp://x",
            "https://",
            "https:///x",
            "https://x/",
            "https://x/y/",
            "https://x?y",
            "https://x/y?z",
            "https://x/y#z",
            "https://u:p@x",
            "https://x:0",
            "https://x:y",
            "https://[::1",
            "https://x/a b",
            "HTTPS://x",
            "https://é",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bad_database_is_refused_without_repeating_its_password() {
        for text in ["sqlite:offpeak.db", "postgres://u:p@h/d", "postgresql:///d"] {
            assert_eq!(database_url(text), Ok(text.to_owned()));
        }
        for text in [
            "",
            "sqlite:",
            "offpeak.db",
            "mysql://u:secret@h/d",
            "postgres://",
        ] {
            let error = database_url(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_sha256_is_64_hexadecimal_digits_of_either_case() {
        assert_eq!(sha256(&"aB".repeat(32)), Ok([0xab; 32]));
        for text in [
            "",
            "ab",
            &"ab".repeat(33),
            &"ag".repeat(32),
            &"+a".repeat(32),
            &"é".repeat(32),
        ] {
            assert!(sha256(text).is_err(), "{text}");
        }
    }
}

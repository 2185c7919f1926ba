//! The limits of one client's connections, and the length of a stop: keys at the top of the file.

use std::net::IpAddr;

use ipnet::IpNet;

use super::error::Problems;
use super::section::Section;
use super::value;

/// The default for open connections per address. A network with thousands of clients may share one
/// address, but each of them is connected for less than a second. With 256 of a total of 8,192, it
/// takes 32 addresses to use all connections.
const USUAL_PER_ADDRESS: u32 = 256;

/// The longest grace period of a stop. Requests in progress may take 20 s more; together that is within
/// the 90 s after which systemd kills the process.
const MOST_GRACE_SECONDS: i64 = 60;

/// The limits of one client's connections, and the length of a stop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connections {
    /// Open connections of one address, or one /64 of IPv6, on each listener; default 256.
    pub per_address: u32,
    /// Addresses without this limit, because many clients share them.
    pub trusted_proxies: Vec<IpNet>,
    /// Seconds for which new connections are taken after a SIGTERM; default 5.
    pub shutdown_grace_seconds: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            per_address: USUAL_PER_ADDRESS,
            trusted_proxies: Vec::new(),
            shutdown_grace_seconds: 5,
        }
    }
}

impl Connections {
    pub(super) fn read(root: &mut Section<'_>, problems: &mut Problems<'_>) -> Self {
        let usual = Self::default();
        let per_address = root.read("connections_per_address", problems, |value| {
            let number = value::integer(value)?;
            u32::try_from(number)
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{number} is not between 1 and {}", u32::MAX))
        });
        let grace = root.read("shutdown_grace", problems, |value| {
            let seconds = value::duration(value, 0..=MOST_GRACE_SECONDS)?;
            u32::try_from(seconds).map_err(|error| error.to_string())
        });
        Self {
            per_address: per_address.unwrap_or(usual.per_address),
            trusted_proxies: root.list("trusted_proxies", problems, |value, _| {
                value::text(value).and_then(network)
            }),
            shutdown_grace_seconds: grace.unwrap_or(usual.shutdown_grace_seconds),
        }
    }
}

/// An address, or a network.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            format!(r#"{text:?} is no address: write "192.0.2.1", "10.0.0.0/8" or "2001:db8::/32""#)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn what_is_not_said_is_as_usual() {
        let text = concat!(
            "connections_per_address = 9\nshutdown_grace = \"0s\"\n",
            "trusted_proxies = [\"192.0.2.1\", \"2001:db8::/32\"]\n"
        );
        let read = Config::parse(text).unwrap().connections;
        let networks: Vec<String> = read.trusted_proxies.iter().map(IpNet::to_string).collect();
        assert_eq!(networks, ["192.0.2.1/32", "2001:db8::/32"]);
        assert_eq!((read.per_address, read.shutdown_grace_seconds), (9, 0));
        let usual = Config::parse("").unwrap().connections;
        assert_eq!(usual, Connections::default());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = concat!(
            "connections_per_address = 0\ntrusted_proxies = [\"proxy.example\", 1]\n",
            "shutdown_grace = \"2m\"\n"
        );
        let found = Config::parse(text).unwrap_err();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "1: connections_per_address: 0 is not between 1 and 4294967295",
                "2: trusted_proxies[0]: \"proxy.example\" is no address: write \"192.0.2.1\", \"10.0.0.0/8\" or \"2001:db8::/32\"",
                "2: trusted_proxies[1]: takes a text, not a number",
                "3: shutdown_grace: \"2m\" is longer than 1m",
            ]
        );
    }
}

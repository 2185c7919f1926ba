//! `[[gateway]]`: an ACME server that this process is a gateway for.

use std::collections::HashMap;
use std::path::PathBuf;

use toml::de::DeValue;

use super::error::Problems;
use super::section::Section;
use super::tls::{self, TlsFiles};
use super::token;
use super::value::{self, base_url, listen_address};
use crate::domain::admission::USUAL_SECONDS;
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::time::{DAY, HOUR, MINUTE};

/// The longest wait for the head of an upstream's answer: clients wait for a minute or two at most, and
/// each wait uses a connection.
const MOST_ANSWER_SECONDS: i64 = 5 * MINUTE;

/// The longest time for which a chain may be held back: clients give up after about 30 s.
const MOST_REGISTER_MS: i64 = 10_000;

/// The most new orders a second: far more than the largest CA takes.
const MOST_NEW_ORDERS: f64 = 1_000_000.0;

/// The longest time for which an unknown client is held: the best-known clients give up after 30 s.
const MOST_HOLD_SECONDS: i64 = 30;

/// The most held requests: at 40 kB each, with the TLS connection, 40 GB.
const MOST_HELD: i64 = 1_000_000;

/// The most new orders of an account: far more than any CA allows.
const MOST_ACCOUNT_ORDERS: i64 = 1_000_000;

/// An ACME server, and its gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayConfig {
    /// Its name in logs and metrics.
    pub name: String,
    /// The CA whose load it is.
    pub ca: CaName,
    /// The address of its listener: `ADDRESS:PORT` or `unix:/PATH`.
    pub listen: String,
    /// The public URL of the gateway, without a path. `None`: `https://` or `http://`, as the listener
    /// serves, and the host in the client's request.
    pub base_url: Option<String>,
    /// The URL of the upstream's directory.
    pub upstream: String,
    /// Root certificates in PEM for the upstream's certificate; `None`: the system's.
    pub upstream_roots: Option<PathBuf>,
    /// The client certificate and key for the upstream.
    pub upstream_tls: Option<TlsFiles>,
    /// How long to wait for the head of an answer, in seconds.
    pub upstream_timeout_seconds: i64,
    /// Whether the directory keeps the upstream's `renewalInfo`.
    pub relay_upstream_ari: bool,
    /// The most new orders a second.
    pub new_orders_per_second: Option<f64>,
    /// The longest time for which a new order of an unknown client is held, in seconds; 0: orders are not
    /// held.
    pub hold_seconds: i64,
    /// The most new orders that are held at a time.
    pub held: usize,
    /// New orders per account in `account_period_seconds`; `None`: no limit.
    pub account_orders: Option<u32>,
    /// The seconds in which an account's limit is refilled.
    pub account_period_seconds: i64,
    /// Whether an order continues if its `replaces` fails a check.
    pub lenient_replaces: bool,
    /// The longest time, in milliseconds, for which a chain is held back until its certificate is
    /// registered.
    pub register_within_ms: i64,
    /// The folder of certificates that wait for the store. `None`: next to an SQLite database, else in
    /// the working directory.
    pub spool: Option<PathBuf>,
    /// After how many seconds of failures an outage is opened; `None`: never.
    pub outage_after_seconds: Option<i64>,
    /// The listener's certificate; `None`: it serves HTTP.
    pub tls: Option<TlsFiles>,
}

impl GatewayConfig {
    /// A gateway with these addresses and defaults for everything else.
    #[must_use]
    pub fn to(upstream: &str, listen: &str) -> Self {
        Self {
            name: "acme".to_owned(),
            ca: CaName::default(),
            listen: listen.to_owned(),
            base_url: None,
            upstream: upstream.to_owned(),
            upstream_roots: None,
            upstream_tls: None,
            upstream_timeout_seconds: 40,
            relay_upstream_ari: false,
            new_orders_per_second: None,
            hold_seconds: USUAL_SECONDS,
            held: 20_000,
            account_orders: None,
            account_period_seconds: 3 * HOUR,
            lenient_replaces: false,
            register_within_ms: 250,
            spool: None,
            outage_after_seconds: None,
            tls: None,
        }
    }
}

/// The names and addresses of the gateways read so far, and where each was read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    names: HashMap<String, String>,
    addresses: HashMap<String, String>,
}

/// One gateway; `None` if a required key is missing or wrong; the problem is then added.
pub(super) fn read(
    section: &mut Section<'_>,
    seen: &mut Seen,
    problems: &mut Problems<'_>,
) -> Option<GatewayConfig> {
    let path = section.path_of("");
    let name = section.require("name", problems, |v| {
        let name = name(v)?;
        match seen.names.insert(name.clone(), path.clone()) {
            None => Ok(name),
            Some(other) => Err(format!("{name:?} is the name of {other} too")),
        }
    });
    let ca = section.require("ca", problems, |v| {
        value::text(v)?
            .parse()
            .map_err(|error: crate::domain::policy::ca::CaNameError| error.to_string())
    });
    let listen = section.require("listen", problems, |v| {
        let listen = listen_address(value::text(v)?)?;
        if listen.ends_with(":0") {
            return Ok(listen);
        }
        match seen.addresses.insert(listen.clone(), path.clone()) {
            None => Ok(listen),
            Some(other) => Err(format!("{listen:?} is the address of {other} too")),
        }
    });
    let upstream = section.require("upstream", problems, |v| {
        value::text(v).and_then(upstream_url)
    });
    let mut read = GatewayConfig::to("", "");
    read.base_url = section.read("base_url", problems, |v| value::text(v).and_then(origin));
    read.upstream_roots = section.read("upstream_roots", problems, value::path);
    read.upstream_tls = upstream_tls(section, problems);
    if let Some(seconds) = section.read("upstream_timeout", problems, |v| {
        value::duration(v, 1..=MOST_ANSWER_SECONDS)
    }) {
        read.upstream_timeout_seconds = seconds;
    }
    if let Some(relay) = section.read("upstream_ari", problems, relay) {
        read.relay_upstream_ari = relay;
    }
    read.new_orders_per_second = section.read("new_orders_per_second", problems, rate);
    if let Some(seconds) = section.read("hold", problems, |v| {
        value::duration(v, 0..=MOST_HOLD_SECONDS)
    }) {
        read.hold_seconds = seconds;
    }
    if let Some(held) = section.read("held", problems, |v| count(v, MOST_HELD)) {
        read.held = usize::try_from(held).unwrap_or(0);
    }
    read.account_orders = section
        .read("account_orders", problems, |v| {
            count(v, MOST_ACCOUNT_ORDERS)
        })
        .and_then(|orders| u32::try_from(orders).ok());
    if let Some(seconds) = section.read("account_period", problems, |v| {
        value::duration(v, 1..=7 * DAY)
    }) {
        read.account_period_seconds = seconds;
    }
    if let Some(lenient) = section.read("lenient_replaces", problems, value::switch) {
        read.lenient_replaces = lenient;
    }
    if let Some(bound) = section.read("register_within_ms", problems, |v| {
        let bound = value::integer(v)?;
        if (0..=MOST_REGISTER_MS).contains(&bound) {
            Ok(bound)
        } else {
            Err(format!("{bound} is not between 0 and {MOST_REGISTER_MS}"))
        }
    }) {
        read.register_within_ms = bound;
    }
    read.spool = section.read("spool", problems, value::path);
    read.outage_after_seconds =
        section.read("outage_after", problems, |v| value::duration(v, 1..=DAY));
    if let Some(mut files) = section.section("tls", problems) {
        read.tls = tls::read(&mut files, problems);
        files.finish(problems);
    }
    Some(GatewayConfig {
        name: name?,
        ca: ca?,
        listen: listen?,
        upstream: upstream?,
        ..read
    })
}

/// All gateways.
pub(super) fn all(
    root: &mut Section<'_>,
    cas: &[CaPolicy],
    problems: &mut Problems<'_>,
) -> Vec<GatewayConfig> {
    let mut found: Vec<GatewayConfig> = Vec::new();
    let mut seen = Seen::default();
    for mut section in root.sections("gateway", problems) {
        if let Some(gateway) = read(&mut section, &mut seen, problems) {
            if cas.iter().all(|ca| ca.name != gateway.ca) {
                let reason = format!("no [[ca]] has the name {:?}", gateway.ca.as_str());
                section.fault("ca", problems, reason);
            }
            found.push(gateway);
        }
        section.finish(problems);
    }
    found
}

/// The URL of an ACME directory: absolute, http or https, without query and fragment.
///
/// # Errors
/// What is wrong with it.
pub fn upstream_url(text: &str) -> Result<String, String> {
    base_url(text.trim_end_matches('/'))
        .map(|_| text.to_owned())
        .map_err(|_| {
            format!(
                r#"{text:?} is no URL of a directory: write "https://ca.internal:9000/acme/acme/directory""#
            )
        })
}

fn origin(text: &str) -> Result<String, String> {
    let url = base_url(text)?;
    if url.matches('/').count() > 2 {
        return Err(format!(
            "{text:?} has a path: write scheme and host alone, such as \"https://acme.example.com\""
        ));
    }
    Ok(url)
}

fn upstream_tls(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<TlsFiles> {
    let certificate = section.read("upstream_certificate", problems, value::path);
    let key = section.read("upstream_key", problems, value::path);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        _ => {
            let reason = "upstream_certificate and upstream_key are given together or not at all";
            section.fault("upstream_certificate", problems, reason);
            None
        }
    }
}

/// The name of a gateway, which is used unchanged in logs and metrics, like that of a token.
fn name(value: &DeValue<'_>) -> Result<String, String> {
    token::name(value::text(value)?)
}

fn relay(value: &DeValue<'_>) -> Result<bool, String> {
    match value::text(value)? {
        "override" => Ok(false),
        "relay" => Ok(true),
        other => Err(format!(r#"{other:?} is neither "override" nor "relay""#)),
    }
}

fn count(value: &DeValue<'_>, most: i64) -> Result<i64, String> {
    let count = value::integer(value)?;
    if (1..=most).contains(&count) {
        Ok(count)
    } else {
        Err(format!("{count} is not between 1 and {most}"))
    }
}

fn rate(value: &DeValue<'_>) -> Result<f64, String> {
    let rate = value::number(value)?;
    if rate > 0.0 && rate <= MOST_NEW_ORDERS {
        Ok(rate)
    } else {
        Err(format!("{rate} is not above 0 and up to {MOST_NEW_ORDERS}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn faults(text: &str) -> Vec<String> {
        let found = Config::parse(text).unwrap_err();
        found.iter().map(ToString::to_string).collect()
    }

    const LEAST: &str = concat!(
        "[[gateway]]\nname = \"acme\"\nca = \"default\"\nlisten = \"127.0.0.1:8443\"\n",
        "upstream = \"https://ca.internal:9000/acme/acme/directory\"\n"
    );

    #[test]
    fn what_is_not_said_is_as_usual() {
        let read = Config::parse(LEAST).unwrap().gateways;
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].register_within_ms, 250);
        assert_eq!(read[0].upstream_timeout_seconds, 40);
        assert!(!read[0].lenient_replaces && !read[0].relay_upstream_ari);
        assert_eq!(Config::parse("").unwrap().gateways, []);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = concat!(
            "[[gateway]]\nname = \"a b\"\nca = \"none\"\nlisten = \"x\"\nupstream = \"ftp://x\"\n",
            "base_url = \"https://x/y\"\nupstream_ari = \"both\"\nnew_orders_per_second = 0\n",
            "register_within_ms = -1\nupstream_key = \"k\"\n",
        );
        let found = faults(text);
        for want in [
            "2: gateway[0].name",
            "4: gateway[0].listen",
            "5: gateway[0].upstream",
            "6: gateway[0].base_url: \"https://x/y\" has a path",
            "7: gateway[0].upstream_ari: \"both\" is neither",
            "8: gateway[0].new_orders_per_second: 0 is not above 0",
            "9: gateway[0].register_within_ms: -1 is not between",
            "upstream_certificate: upstream_certificate and upstream_key",
        ] {
            assert!(
                found.iter().any(|line| line.contains(want)),
                "{want}: {found:#?}"
            );
        }
    }

    #[test]
    fn two_share_neither_name_nor_address_and_the_ca_is_known() {
        let found = faults(&format!("{LEAST}{LEAST}"));
        assert!(
            found[0].contains("is the name of gateway[0] too"),
            "{found:#?}"
        );
        assert!(
            found[1].contains("is the address of gateway[0] too"),
            "{found:#?}"
        );
        let unknown = LEAST.replace("\"default\"", "\"other\"");
        let found = faults(&unknown);
        assert_eq!(
            found,
            ["3: gateway[0].ca: no [[ca]] has the name \"other\""]
        );
    }
}

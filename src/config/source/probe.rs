//! `kind = "probe"`: requests to a CA from outside, as from its clients.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::super::error::Problems;
use super::super::gateway::upstream_url;
use super::super::section::Section;
use super::super::value;
use crate::domain::time::{DAY, HOUR, MINUTE};

/// The shortest time between two rounds, in seconds: with two requests each, at most 24 a minute.
const LEAST_EVERY_SECONDS: i64 = 5;

/// The default time between two rounds: twice a minute, because outages are detected by the minute.
const USUAL_EVERY_SECONDS: i64 = MINUTE / 2;

/// The shortest time between two orders, in seconds: 144 a day.
const LEAST_ORDER_SECONDS: i64 = 10 * MINUTE;

/// The default time between two orders: four a day. Let's Encrypt issues at most five certificates a
/// week for the same names, so there `every` should be `2d`, or `finalize` false.
const USUAL_ORDER_SECONDS: i64 = 6 * HOUR;

/// The largest quorum of vantages.
const MOST_QUORUM: i64 = 100;

/// A CA to probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeConfig {
    /// The URL of its directory.
    pub url: String,
    /// The vantage of its observations.
    pub vantage: Option<String>,
    /// Seconds between two rounds of requests.
    pub every_seconds: i64,
    /// A contact for the CA's operator: a part of each request's User-Agent.
    pub contact: String,
    /// How many of the vantages that submit observations must see an outage for an incident to be
    /// opened; `None`: none is opened.
    pub outage_quorum: Option<usize>,
    /// Root certificates in PEM for the CA's certificate, instead of the system's.
    pub roots: Option<PathBuf>,
    /// Complete orders, if wanted.
    pub order: Option<OrderConfig>,
}

/// An order that is made regularly as a test.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderConfig {
    /// Its identifier: a domain, or an IP address.
    pub domain: String,
    /// The address that answers its http-01 challenge; port 80 of the domain must lead here.
    pub http01: SocketAddr,
    /// The file of the account, created with the first order; `None`: a new account for each order.
    pub account_file: Option<PathBuf>,
    /// Seconds between two orders.
    pub every_seconds: i64,
    /// Whether the order is finalized and its certificate downloaded; else it ends with the
    /// authorisation.
    pub finalize: bool,
}

pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<ProbeConfig> {
    let url = section.require("url", problems, |v| value::text(v).and_then(upstream_url));
    let vantage = section.read("vantage", problems, |v| {
        super::super::token::name(value::text(v)?)
    });
    let every = section.read("every", problems, |v| {
        value::duration(v, LEAST_EVERY_SECONDS..=HOUR)
    });
    let contact = section.require("contact", problems, super::ct::contact);
    let outage_quorum = section.read("outage_quorum", problems, |v| {
        let quorum = value::integer(v)?;
        if (1..=MOST_QUORUM).contains(&quorum) {
            usize::try_from(quorum).map_err(|error| error.to_string())
        } else {
            Err(format!("{quorum} is not between 1 and {MOST_QUORUM}"))
        }
    });
    if outage_quorum.is_some() && every.is_some_and(|seconds| seconds > MINUTE) {
        let reason = "is longer than a minute: with outage_quorum an outage is detected after two minutes in a row";
        section.fault("every", problems, reason);
    }
    let roots = section.read("roots", problems, value::path);
    let has_order = section.has("order");
    let order = section.section("order", problems).map(|mut table| {
        let order = order(&mut table, problems);
        table.finish(problems);
        order
    });
    if has_order && order.as_ref().is_none_or(Option::is_none) {
        return None;
    }
    Some(ProbeConfig {
        roots,
        order: order.flatten(),
        url: url?,
        vantage,
        every_seconds: every.unwrap_or(USUAL_EVERY_SECONDS),
        contact: contact?,
        outage_quorum,
    })
}

fn order(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<OrderConfig> {
    let domain = section.require("domain", problems, |v| {
        let name = value::text(v)?;
        let fits = (1..=253).contains(&name.len())
            && name
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b':'));
        if fits {
            Ok(name.to_owned())
        } else {
            Err(format!("{name:?} is no domain and no IP address"))
        }
    });
    let http01 = section.require("http01", problems, |v| {
        let text = value::text(v)?;
        text.parse::<SocketAddr>()
            .map_err(|_| format!("{text:?} is no address with a port, such as \"0.0.0.0:80\""))
    });
    let account_file = section.require("account_file", problems, value::path);
    let every = section.read("every", problems, |v| {
        value::duration(v, LEAST_ORDER_SECONDS..=7 * DAY)
    });
    let finalize = section.read("finalize", problems, value::switch);
    Some(OrderConfig {
        domain: domain?,
        http01: http01?,
        account_file: Some(account_file?),
        every_seconds: every.unwrap_or(USUAL_ORDER_SECONDS),
        finalize: finalize.unwrap_or(true),
    })
}

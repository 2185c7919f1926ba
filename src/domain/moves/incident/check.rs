//! Validation of an incident. Errors name the field as in the API.

use chrono_tz::Tz;

use super::record::{Incident, Kind};
use crate::policy::capacity::{MOST_RECURRING_SECONDS, When, cron_pattern, overlapping};
use crate::time::{DAY, Span, Timestamp};

/// The furthest deadline. A revocation takes days (CA/Browser Forum Baseline Requirements section
/// 4.9.1.1: five at most); a drill may take three months.
pub(super) const FURTHEST_DEADLINE_SECONDS: i64 = 90 * DAY;

/// The longest name, in characters. Names are headings.
const LONGEST_NAME: usize = 200;

/// The longest note, in characters. Notes are paragraphs.
const LONGEST_NOTE: usize = 10_000;

/// The longest URL, in characters: the shortest limit that is common among browsers and proxies.
const LONGEST_URL: usize = 2_000;

/// An invalid field.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field's name in the API.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Invalid {
    pub(super) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self {
            field,
            reason: reason.into(),
        }
    }
}

impl Incident {
    /// Whether this may be drafted or opened at `now`.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn validate(&self, now: Timestamp) -> Result<(), Invalid> {
        let length = self.name.chars().count();
        if self.name.trim().is_empty() || length > LONGEST_NAME {
            return fault(
                "name",
                format!("has {length} characters: 1 to {LONGEST_NAME}, not all blank"),
            );
        }
        let noted = self.note.as_deref().map_or(0, str::len);
        if noted > LONGEST_NOTE {
            return fault(
                "note",
                format!("has {noted} octets: {LONGEST_NOTE} at most"),
            );
        }
        if let Some(url) = &self.explanation_url {
            explanation_url(url)?;
        }
        match self.kind {
            Kind::Drill | Kind::Revocation => self.validate_deadline(now),
            Kind::Maintenance => self.validate_maintenance(now),
            Kind::Outage => self.validate_outage(),
        }
    }

    /// When a maintenance closes the CA; `None` for other kinds.
    ///
    /// # Errors
    /// The field that makes this impossible to say.
    pub(super) fn hours(&self) -> Result<Option<When>, Invalid> {
        if self.kind != Kind::Maintenance {
            return Ok(None);
        }
        let span = self.hull()?;
        let Some(text) = &self.cron else {
            return Ok(Some(When::Once(span)));
        };
        let zone = match &self.time_zone {
            Some(name) => time_zone(name)?,
            None => Tz::UTC,
        };
        let cron = cron_pattern(text, zone).map_err(|reason| Invalid::new("cron", reason))?;
        let duration_seconds = span.seconds();
        if let Some(gap_seconds) = overlapping(&cron, zone, duration_seconds) {
            return Err(Invalid::new(
                "cron",
                format!(
                    "matches again after {gap_seconds} s, long before the {duration_seconds} s \
                     from `from` to `to` are over: name its starts alone"
                ),
            ));
        }
        Ok(Some(When::Recurring {
            cron: Box::new(cron),
            zone,
            duration_seconds,
        }))
    }

    fn hull(&self) -> Result<Span, Invalid> {
        let from = self
            .from
            .ok_or_else(|| Invalid::new("from", "is missing"))?;
        let to = self.to.ok_or_else(|| Invalid::new("to", "is missing"))?;
        let span = Span { from, to };
        match span.seconds() {
            0 => Err(Invalid::new("to", "is not after from")),
            1..=MOST_RECURRING_SECONDS => Ok(span),
            _ => Err(Invalid::new("to", "is more than 31 days after from")),
        }
    }

    fn validate_deadline(&self, now: Timestamp) -> Result<(), Invalid> {
        self.without(
            "a revocation or drill",
            &["from", "to", "cron", "timeZone", "estimatedEnd"],
        )?;
        let Some(renew_by) = self.renew_by else {
            return fault("renewBy", "is missing");
        };
        if renew_by <= now {
            return fault("renewBy", format!("{renew_by} is not after now, {now}"));
        }
        if renew_by - now > FURTHEST_DEADLINE_SECONDS {
            return fault("renewBy", format!("{renew_by} is more than 90 days ahead"));
        }
        match self.budget_per_hour {
            Some(budget) if !(budget.is_finite() && budget > 0.0) => {
                fault("budgetPerHour", format!("{budget} is not more than 0"))
            }
            _ => Ok(()),
        }
    }

    fn validate_maintenance(&self, now: Timestamp) -> Result<(), Invalid> {
        let words = "a maintenance";
        self.without(
            words,
            &[
                "renewBy",
                "urgent",
                "budgetPerHour",
                "overBudget",
                "estimatedEnd",
            ],
        )?;
        if self.cron.is_none() && self.time_zone.is_some() {
            return fault("timeZone", "says when cron matches, and there is no cron");
        }
        match self.hours()? {
            Some(When::Once(span)) if span.to <= now => {
                fault("to", format!("{} is not after now, {now}", span.to))
            }
            _ => Ok(()),
        }
    }

    fn validate_outage(&self) -> Result<(), Invalid> {
        let never = [
            "renewBy",
            "urgent",
            "budgetPerHour",
            "overBudget",
            "cron",
            "timeZone",
        ];
        self.without("an outage", &never)?;
        let Some(from) = self.from else {
            return fault("from", "is missing");
        };
        if self.to.is_some_and(|to| to <= from) {
            return fault("to", "is not after from");
        }
        if self.estimated_end.is_some_and(|end| end <= from) {
            return fault("estimatedEnd", "is not after from");
        }
        Ok(())
    }

    /// Rejects fields that would be ignored, because whoever set one expected an effect.
    fn without(&self, what: &str, fields: &[&'static str]) -> Result<(), Invalid> {
        let given = |field: &str| match field {
            "budgetPerHour" => self.budget_per_hour.is_some(),
            "cron" => self.cron.is_some(),
            "estimatedEnd" => self.estimated_end.is_some(),
            "from" => self.from.is_some(),
            "overBudget" => self.over_budget,
            "renewBy" => self.renew_by.is_some(),
            "timeZone" => self.time_zone.is_some(),
            "to" => self.to.is_some(),
            _ => self.urgent,
        };
        match fields.iter().find(|field| given(field)) {
            Some(field) => fault(field, format!("says nothing for {what}: leave it out")),
            None => Ok(()),
        }
    }
}

fn fault(field: &'static str, reason: impl Into<String>) -> Result<(), Invalid> {
    Err(Invalid::new(field, reason))
}

fn time_zone(name: &str) -> Result<Tz, Invalid> {
    name.parse().map_err(|_| {
        let reason =
            format!("{name:?} is no time zone of IANA, such as \"UTC\" or \"Europe/Prague\"");
        Invalid::new("timeZone", reason)
    })
}

/// An absolute http(s) URL in RFC 3986's characters. nginx-acme rejects the whole object if this is
/// not a URI.
fn explanation_url(url: &str) -> Result<(), Invalid> {
    let bad = |reason: &str| fault("explanationURL", format!("{url:?} {reason}"));
    if url.len() > LONGEST_URL {
        return bad("has more than 2,000 octets");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return bad("is no absolute URL, such as \"https://ca.example/incident\"");
    };
    if !["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return bad("is neither http nor https");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let port_at = host.rfind(':').filter(|at| !host[*at..].contains(']'));
    let (name, port) = port_at.map_or((host, ""), |at| (&host[..at], &host[at + 1..]));
    if name.is_empty() || name.contains(':') != name.starts_with('[') {
        return bad("names no host");
    }
    if !port.bytes().all(|octet| octet.is_ascii_digit()) {
        return bad("has a port that is no number");
    }
    let fits = |octet: u8| octet.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&octet);
    if !rest.bytes().all(fits) {
        return bad("has characters that a URL writes with %");
    }
    let mut escapes = rest.split('%').skip(1).map(str::as_bytes);
    if !escapes.all(|after| after.len() >= 2 && after[..2].iter().all(u8::is_ascii_hexdigit)) {
        return bad("has a % without two hexadecimal digits after it");
    }
    Ok(())
}

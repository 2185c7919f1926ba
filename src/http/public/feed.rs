//! `/feed.atom`: incidents and recent weekly reports, as Atom (RFC 4287).

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::fresh::answer;
use crate::domain::status::{IsoWeek, PublicIncident};
use crate::domain::time::Timestamp;
use crate::http::state::Public;
use crate::wire::problem::Problem;
use crate::wire::query::NoParameters;

/// The number of weekly reports in the feed, so that a monthly reader misses none.
const WEEKS: usize = 4;

/// Feed readers poll every quarter of an hour or less often.
const CACHING: &str = "public, max-age=60";

/// `GET`.
pub(in crate::http) async fn show(
    State(public): State<Public>,
    _: NoParameters,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let engine = &public.engine;
    let incident = engine.public_incidents(None);
    let base = engine.config().base_url.clone();
    let base = base.unwrap_or_else(|| public.bound_url.to_string());
    let feed = feed(&incident, &base, engine.now());
    Ok(answer(
        feed.into_bytes(),
        "application/atom+xml; charset=utf-8",
        CACHING,
        &request,
    ))
}

/// The feed. Its ids contain the service's address, so they are the same on every replica.
fn feed(incident: &[PublicIncident], base: &str, now: Timestamp) -> String {
    let base = escaped(base);
    let mut weeks = vec![IsoWeek::of(now).before()];
    while let [.., last] = weeks[..]
        && weeks.len() < WEEKS
    {
        weeks.push(last.before());
    }
    let week_over = weeks.first().map_or(now, |week| week.span().to);
    let changed = incident.iter().map(|incident| incident.updated_at).max();
    let updated = changed.map_or(week_over, |changed| changed.max(week_over));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <title>Incidents and weekly reports</title>\n<id>{base}/feed.atom</id>\n<updated>{updated}</updated>\n\
         <author><name>offpeak</name></author>\n\
         <link rel=\"self\" href=\"{base}/feed.atom\"/>\n<link href=\"{base}/\"/>\n"
    );
    for incident in incident {
        let link = escaped(incident.explanation_url.as_deref().unwrap_or_default());
        let link = if link.is_empty() {
            format!("{base}/ca/{}/", incident.ca)
        } else {
            link
        };
        let title = escaped(&incident.name);
        let words = escaped(&words(incident, now));
        let published = incident.opened_at.unwrap_or(incident.updated_at);
        // Writing to a `String` cannot fail.
        let _ = write!(
            xml,
            "<entry>\n<title>{title}</title>\n<id>{base}/incidents/{}</id>\n\
             <published>{published}</published>\n<updated>{}</updated>\n<link href=\"{link}\"/>\n\
             <summary>{words}</summary>\n</entry>\n",
            incident.id, incident.updated_at
        );
    }
    for week in weeks {
        let over = week.span().to;
        let _ = write!(
            xml,
            "<entry>\n<title>Week {week}</title>\n<id>{base}/report/{week}/</id>\n\
             <published>{over}</published>\n<updated>{over}</updated>\n\
             <link href=\"{base}/report/{week}/\"/>\n\
             <summary>What the week was like: its peak, what failed, for how long each CA was \
             down.</summary>\n</entry>\n"
        );
    }
    xml.push_str("</feed>\n");
    xml
}

fn words(incident: &PublicIncident, now: Timestamp) -> String {
    let mut words = format!(
        "{} of {}, {}",
        incident.kind_words(),
        incident.ca,
        incident.at(now).state_words()
    );
    for (what, at) in [
        (", from ", incident.from),
        (" to ", incident.to),
        ("; its end is expected at ", incident.estimated_end),
        (
            "; affected certificates are to be replaced before ",
            incident.renew_by,
        ),
    ] {
        if let Some(at) = at {
            let _ = write!(words, "{what}{at}");
        }
    }
    words.push('.');
    if let Some(note) = &incident.note {
        let _ = write!(words, " {note}");
    }
    words
}

/// Escapes text for XML; characters that XML 1.0 does not allow are dropped.
fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

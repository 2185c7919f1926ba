//! The page: one self-contained HTML file for each ranking, made together with it from its numbers.
//!
//! The file contains what is the same for everyone, readable without scripts: the sentence in UTC,
//! published incidents, the map, the ranking with its intervals, failures, notes, and commands that
//! draw a time on the reader's machine. The script in it (`static/page/`) adds what depends on the
//! reader or on the moment, from the embedded data or from the server in its `connect-src`. The
//! file never contains a drawn time, because all its readers would then come in the same second.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::published::Published;
use super::{palette, sentence};
use crate::ledger::forecast::{Outlook, SlotOutlook};
use crate::math::number::thousandths;
use crate::policy::note::PublishedNote;
use crate::publication::documents::RANKING;
use crate::publication::published::Avoid;
use crate::status::{IsoWeek, PublicIncident, PublicIncidentAt};
use crate::time::{MINUTE, Timestamp};

mod day;
mod hours;
mod map;
mod minutes;

pub(super) use map::DAYS;

/// The file name of a page in its folder.
pub const INDEX: &str = "index.html";

/// What a page shows apart from its ranking.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The URL of a server, absolute and without a trailing slash. `None`: the page's own origin.
    pub base_url: Option<&'a str>,
    /// Published incidents of all CAs, latest first.
    pub incidents: &'a [PublicIncident],
    /// The forecast of the next hours, by name of the CA.
    pub outlooks: &'a [(String, Arc<Outlook>)],
}

/// Hours of forecast in a page: the 48 shown, and a day until the next page.
pub const OUTLOOK_HOURS: i64 = 72;

static STYLE: LazyLock<String> = LazyLock::new(|| {
    include_str!("../../../../static/page/page.css").to_owned() + &palette::rules()
});
/// The script: files concatenated in order of dependency.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    [
        include_str!("../../../../static/page/base.js"),
        include_str!("../../../../static/page/now.js"),
        include_str!("../../../../static/page/draw.js"),
        include_str!("../../../../static/page/charts.js"),
        include_str!("../../../../static/page/status.js"),
        include_str!("../../../../static/page/certid.js"),
        include_str!("../../../../static/page/lookup.js"),
    ]
    .concat()
});
/// Runs before anything is drawn. With scripts, the page has other parts than without. It is shown
/// when they are in place, or after half a second in any case.
const FIRST_SCRIPT: &str = "document.documentElement.className='js wait';setTimeout(()=>document.documentElement.classList.remove('wait'),500)";

/// The pages of a publication, by path: an `index.html` next to each `ranking.json` in `documents`,
/// except for the immutable copies.
#[must_use]
pub fn pages(documents: &[(String, Arc<[u8]>)], facts: &Facts<'_>) -> Vec<(String, Arc<[u8]>)> {
    let rankings: Vec<(&str, &Arc<[u8]>, Published)> = documents
        .iter()
        .filter(|(path, _)| path.ends_with(RANKING) && !path.starts_with("r/"))
        // These are our own documents, so reading them cannot fail.
        .filter_map(|(path, bytes)| Some((path.as_str(), bytes, Published::parse(bytes).ok()?)))
        .collect();
    let cas = choice(&rankings);
    rankings
        .iter()
        .map(|(path, bytes, ranking)| {
            let folder = path.strip_suffix(RANKING).unwrap_or_default();
            let page = page(folder, bytes, ranking, &cas, facts);
            (format!("{folder}{INDEX}"), page.into_bytes().into())
        })
        .collect()
}

/// The Content Security Policy in a page.
#[must_use]
pub fn policy_of(page: &[u8]) -> Option<&str> {
    // It is near the beginning, after a fixed text.
    let head = page.get(..2_048).unwrap_or(page);
    let end = head.utf8_chunks().next()?.valid();
    let rest = end.split_once(POLICY_BEGIN)?.1;
    Some(rest.split_once('"')?.0)
}

/// The style sheet of all pages.
pub(super) fn style() -> &'static str {
    &STYLE
}

/// The policy of a page without scripts: it allows only the style sheet.
pub(super) fn policy_of_style() -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        STANDARD.encode(Sha256::digest(style()))
    )
}

/// How the policy begins in a page.
const POLICY_BEGIN: &str = "http-equiv=\"Content-Security-Policy\" content=\"";

#[derive(Template)]
#[template(path = "page.html", whitespace = "minimize")]
struct Page<'a> {
    policy: &'a str,
    first_script: &'a str,
    style: &'a str,
    script: &'a str,
    data: &'a str,
    ranking: &'a Published,
    /// The relative path to the root of the tree: empty or `../../`.
    root: &'a str,
    /// The server's URL, as used in the commands.
    address: &'a str,
    /// The path to resources that a server has and a folder of files has not.
    service: String,
    /// Whether the page is known to come from a server.
    served: bool,
    /// The week in which the page was made, for the link to its report.
    week: IsoWeek,
    cas: &'a [Ca],
    /// HTML.
    sentence: String,
    /// The closed span at the time the page was made.
    closed: Option<&'a Avoid>,
    /// Closed spans in the future at that time.
    ahead: Vec<&'a Avoid>,
    unknown: usize,
    /// Why the day's table is folded, and what it contains; `None` if it is open.
    fold: Option<String>,
    incidents: Vec<PublicIncidentAt<'a>>,
    legend: Vec<(usize, &'static str)>,
    map: Vec<map::Row>,
    day: Vec<day::Row>,
    mean_at: String,
    failures: Option<day::Failures>,
    /// Present if slots are shorter than an hour and the minutes are known.
    minutes: Option<minutes::Minutes>,
    notes: &'a [PublishedNote],
}

/// A CA that readers may choose.
#[derive(Clone, Debug)]
struct Ca {
    name: String,
    environment: String,
}

/// The data for the script, besides the ranking.
#[derive(Serialize)]
struct Data<'a> {
    base: Option<&'a str>,
    root: &'a str,
    quiet: Vec<[usize; 2]>,
    busy: Vec<[usize; 2]>,
    incidents: Vec<&'a PublicIncident>,
    forecast: Option<Forecast>,
}

/// The forecast at the time the page was made, relative to the mean, slot by slot.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Forecast {
    from: Timestamp,
    slot_minutes: i64,
    unsteered: Vec<f64>,
    steered: Vec<f64>,
}

fn page(folder: &str, bytes: &[u8], ranking: &Published, cas: &[Ca], facts: &Facts<'_>) -> String {
    let root = if folder.is_empty() { "" } else { "../../" };
    let elsewhere = |ca: &Ca| ca.environment != ranking.environment;
    let concerns = |incident: &&PublicIncident| match &ranking.ca {
        Some(ca) => incident.ca == *ca,
        None => !cas.iter().any(|ca| incident.ca == ca.name && elsewhere(ca)),
    };
    let incidents: Vec<&PublicIncident> = facts.incidents.iter().filter(concerns).collect();
    let summary = sentence::Day::of(&hours::whole(ranking));
    let ends = |spans: &[sentence::Clock]| spans.iter().map(|span| [span.from, span.to]).collect();
    let data = Data {
        base: facts.base_url,
        root,
        quiet: ends(&summary.quiet),
        busy: ends(&summary.busy),
        incidents: incidents.clone(),
        forecast: forecast(ranking, facts),
    };
    let unknown = ranking
        .slots
        .iter()
        .filter(|slot| slot.coefficient.is_none())
        .count();
    let made = ranking.generated_at;
    let holds = |span: &&Avoid| span.from <= made && made < span.to;
    let page = Page {
        policy: &policy(facts.base_url),
        first_script: FIRST_SCRIPT,
        style: &STYLE,
        script: &SCRIPT,
        data: &embedded(bytes, &data),
        ranking,
        root,
        service: facts
            .base_url
            .map_or_else(|| root.to_owned(), |base| format!("{base}/")),
        served: facts.base_url.is_some(),
        week: IsoWeek::of(made),
        address: facts.base_url.unwrap_or("https://ari.example.com"),
        cas,
        sentence: together(&summary.words()),
        closed: ranking.avoid.iter().find(holds),
        ahead: ranking
            .avoid
            .iter()
            .filter(|span| span.from > made)
            .collect(),
        unknown,
        fold: day::fold(ranking, unknown),
        incidents: incidents.iter().map(|incident| incident.at(made)).collect(),
        legend: map::legend(),
        map: map::rows(ranking),
        day: day::rows(ranking),
        mean_at: day::mean_at(ranking),
        failures: day::failures(ranking),
        minutes: minutes::minutes(ranking),
        notes: &ranking.notes,
    };
    // Only numbers and texts, so this cannot fail.
    page.render().unwrap_or_default()
}

/// The sentence as HTML, without line breaks inside a time span.
fn together(sentence: &str) -> String {
    let words: Vec<&str> = sentence.split(' ').collect();
    let mut html = String::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if at > 0 {
            html.push(' ');
        }
        match words.get(at + 1..at + 3) {
            // Our own sentence contains nothing to escape.
            Some(["to", end]) if word.contains(':') => {
                // Writing to a `String` cannot fail.
                let _ = write!(html, "<span class=\"span\">{word} to {end}</span>");
                at += 3;
            }
            _ => {
                html.push_str(word);
                at += 1;
            }
        }
    }
    html
}

/// The CAs to choose from, if there are several. The CA `default` counts if it has data.
fn choice(rankings: &[(&str, &Arc<[u8]>, Published)]) -> Vec<Ca> {
    let mut cas: Vec<Ca> = rankings
        .iter()
        .filter(|(path, ..)| path.starts_with("ca/"))
        .map(|(_, _, ranking)| ranking)
        .filter(|ranking| {
            ranking.data_through.is_some() || ranking.ca.as_deref() != Some("default")
        })
        .map(|ranking| Ca {
            name: ranking.ca.clone().unwrap_or_default(),
            environment: ranking.environment.clone(),
        })
        .collect();
    if cas.len() < 2 {
        cas.clear();
    }
    cas
}

/// Allows nothing from other origins, and inline only content with these hashes. Requests may go to
/// the page's own host and the server that it names.
fn policy(base_url: Option<&str>) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let mut policy = format!(
        "default-src 'none'; script-src 'sha256-{}' 'sha256-{}'; style-src 'sha256-{}'; img-src \
         data:; base-uri 'none'; form-action 'none'; connect-src 'self'",
        hash(FIRST_SCRIPT),
        hash(&SCRIPT),
        hash(&STYLE)
    );
    if let Some(origin) = base_url.and_then(origin) {
        // Writing to a `String` cannot fail.
        let _ = write!(policy, " {origin}");
    }
    policy
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let end = url[host..].find('/').map_or(url.len(), |path| host + path);
    // Characters that could end the directive or the attribute are not part of a host name.
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._:[]/".contains(&octet);
    url[..end].bytes().all(plain).then_some(&url[..end])
}

/// The forecast of the ranking's CA. A combined ranking has none.
fn forecast(ranking: &Published, facts: &Facts<'_>) -> Option<Forecast> {
    let ca = ranking.ca.as_deref()?;
    let (_, outlook) = facts.outlooks.iter().find(|(name, _)| name == ca)?;
    let mean = outlook.mean?;
    let slots = outlook.within(OUTLOOK_HOURS);
    let relative = |load: fn(&SlotOutlook) -> f64| {
        let loads = slots.iter().map(|slot| thousandths(load(slot) / mean));
        loads.collect()
    };
    Some(Forecast {
        from: slots.first()?.span.from,
        slot_minutes: outlook.slot_seconds / MINUTE,
        unsteered: relative(|slot| slot.load.unsteered),
        steered: relative(|slot| slot.load.steered),
    })
}

/// JSON that is safe inside a `script` element: `<` is escaped so that no tag can begin. In JSON,
/// `<` occurs only in strings, where the escape is allowed.
fn embedded(ranking: &[u8], data: &Data<'_>) -> String {
    let rest = serde_json::to_string(data).unwrap_or_default();
    let ranking = String::from_utf8_lossy(ranking);
    let whole = format!("{{\"ranking\":{},\"page\":{rest}}}", ranking.trim_end());
    whole.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_origin_and_nothing_that_could_end_it() {
        for (url, want) in [
            ("https://ari.example.com", Some("https://ari.example.com")),
            ("https://a.example:8443/x/y", Some("https://a.example:8443")),
            ("https://[::1]:8080", Some("https://[::1]:8080")),
            ("https://a.example; script-src *", None),
            ("https://a.example\"", None),
            ("a.example", None),
        ] {
            assert_eq!(origin(url), want, "{url}");
        }
        let policy = policy(Some("https://ari.example.com/x"));
        assert!(
            policy.ends_with("connect-src 'self' https://ari.example.com"),
            "{policy}"
        );
        let page = format!("<meta {POLICY_BEGIN}{policy}\"><body>");
        assert_eq!(policy_of(page.as_bytes()), Some(policy.as_str()));
        assert_eq!(policy_of(b"{}"), None);
    }

    #[test]
    fn no_line_breaks_within_a_span_of_the_sentence() {
        assert_eq!(
            together("Quietest from 17:00 to 23:00 UTC; come at any time to 1:1 of it."),
            "Quietest from <span class=\"span\">17:00 to 23:00</span> UTC; come at any time to 1:1 of it."
        );
        assert_eq!(together(""), "");
    }

    #[test]
    fn data_cannot_leave_its_element() {
        let data = Data {
            base: Some("</script><!--"),
            root: "",
            quiet: vec![],
            busy: vec![],
            incidents: vec![],
            forecast: None,
        };
        let text = embedded(br#"{"ca":"<b>"}"#, &data);
        assert!(!text.contains('<'), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["ranking"]["ca"], "<b>");
        assert_eq!(read["page"]["base"], "</script><!--");
    }
}

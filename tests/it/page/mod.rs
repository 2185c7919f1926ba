//! The page as a browser shows it, and as it is published.

use std::sync::Arc;

use offpeak::config::Config;
use offpeak::domain::time::{HOUR, Timestamp};
use offpeak::publish::plan::plan;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::server::{NOW, TestServer, config};
use crate::support::fresh_sqlite;
use crate::tools::tool;

mod alone;
mod closed;
mod drawing;
mod folded;
mod keyboard;
mod looks;
mod lookup;
mod moment;
mod published;
mod several;
mod still;

/// Four weeks, so that every hour of the week is known.
const WEEKS: i64 = 4;
/// One week of a CA with a peak at 01:00 UTC: `hour_of_week,attempts,failed`.
const WEEK_OF_LOAD: &str = include_str!("../../../static/demo-week.csv");

/// A browser whose pages live at [`NOW`], with a reader in this zone.
fn browser(zone: &str) -> Option<Browser> {
    let chromium = tool("OFFPEAK_TEST_CHROMIUM")?;
    let mut browser = Browser::start(&chromium);
    browser.set_clock(NOW.unix(), zone);
    Some(browser)
}

/// A server that has heard of four weeks of load at these CAs and has published it.
async fn busy_server(config: Config, cas: &[&str], heard: impl Fn(i64) -> bool) -> PlanningContext {
    let database = fresh_sqlite();
    let week: Vec<(u64, u64)> = WEEK_OF_LOAD
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<u64> = line.split(',').map(|n| n.parse().unwrap()).collect();
            (fields[1], fields[2])
        })
        .collect();
    // As many counts in an hour as it has slots.
    let slot = config.cas.first().map_or(HOUR, |ca| ca.slot_seconds);
    let server = TestServer::on(&database.url(), config).await;
    for (number, ca) in (0..).zip(cas) {
        let lines: Vec<String> = (NOW.slot(HOUR) - WEEKS * 168..NOW.slot(HOUR))
            .filter(|hour| heard(hour.rem_euclid(24)))
            .flat_map(|hour| {
                // Each CA is busy at hours of its own.
                let at = Timestamp::from_unix((hour + 5 * number) * HOUR);
                let (attempts, failed) = week[usize::try_from(at.second_of_week() / HOUR).unwrap()];
                let counts = [("attempt", attempts), ("failed", failed)];
                counts.map(|(kind, count)| (hour * HOUR, kind, count))
            })
            .flat_map(|(from, kind, count)| {
                (from..from + HOUR)
                    .step_by(usize::try_from(slot).unwrap())
                    .map(move |at| {
                        let count = count * slot.cast_unsigned() / HOUR.cast_unsigned();
                        json!({"at": at, "seconds": slot, "kind": kind, "count": count, "ca": ca})
                            .to_string()
                    })
            })
            .collect();
        let answer = server
            .as_admin(Method::POST, "/v1/observations")
            .header("content-type", "application/x-ndjson")
            .body(lines.join("\n"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    server.engine.publish().await.unwrap();
    PlanningContext {
        server,
        _database: database,
    }
}

/// A server with its database.
struct PlanningContext {
    server: TestServer,
    _database: crate::support::FreshSqlite,
}

impl PlanningContext {
    /// One CA, `example`, of which every hour is known.
    async fn known() -> Self {
        busy_server(config(), &["example"], |_| true).await
    }

    /// Two CAs, `example` and `other`.
    async fn two_cas() -> Self {
        let mut config = config();
        let mut other = config.cas[0].clone();
        other.name = "other".parse().unwrap();
        other.issuers.clear();
        config.cas.push(other);
        busy_server(config, &["example", "other"], |_| true).await
    }

    /// Two CAs of production, `example` and `other`, and one of staging, `stage`.
    async fn with_staging() -> Self {
        let mut config = config();
        for (name, environment) in [("other", "production"), ("stage", "staging")] {
            let mut ca = config.cas[0].clone();
            ca.name = name.parse().unwrap();
            environment.clone_into(&mut ca.environment);
            ca.issuers.clear();
            config.cas.push(ca);
        }
        busy_server(config, &["example", "other", "stage"], |_| true).await
    }

    /// The same as [`PlanningContext::known`], but that nothing is ever heard from 09:00 to 12:00 UTC.
    async fn with_a_gap() -> Self {
        busy_server(config(), &["example"], |hour| !(9..12).contains(&hour)).await
    }

    /// One CA of which nothing is known.
    async fn unknown() -> Self {
        busy_server(config(), &[], |_| true).await
    }

    /// One CA at this instant, in an outage since an hour ago that expects its end half an hour from
    /// then, and published.
    async fn in_an_outage(now: Timestamp) -> Self {
        let scene = Self::known().await;
        scene.server.clock.set(now);
        let outage = json!({
            "kind": "outage", "ca": "example", "name": "Validation is away",
            "from": now - HOUR, "estimatedEnd": now + HOUR / 2,
            "explanationURL": "https://status.example.com/1",
        });
        scene.open_incident(outage).await;
        scene
    }

    /// Drafts an incident, opens it, and publishes.
    async fn open_incident(&self, incident: Value) {
        let admin = |method, path: &str, body: Value| {
            let request = self.server.as_admin(method, path);
            let request = request.header("content-type", "application/json");
            request.body(body.to_string()).send()
        };
        let made = admin(Method::POST, "/v1/incidents", incident).await;
        let made = made.unwrap();
        assert_eq!(
            made.status(),
            StatusCode::CREATED,
            "{}",
            made.text().await.unwrap()
        );
        let made: Value = made.json().await.unwrap();
        let path = format!("/v1/incidents/{}", made["id"]);
        let opened = admin(Method::PATCH, &path, json!({"state": "open"}));
        assert_eq!(opened.await.unwrap().status(), StatusCode::OK);
        self.server.engine.publish().await.unwrap();
    }

    /// Opens the page at this path.
    fn open(&self, browser: &mut Browser, path: &str) {
        browser.open(&format!("{}{path}", self.server.public));
    }

    async fn ranking(&self) -> Value {
        let answer = self.server.get("/ranking.json").await;
        answer.json().await.unwrap()
    }

    /// The tree of files, as `offpeak publish --out` writes it.
    fn written(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let publication = self.server.engine.publication().unwrap();
        let files = plan(&publication.documents);
        offpeak::publish::apply::apply(&files, folder.path()).unwrap();
        folder
    }

    /// The bytes of a document.
    fn document(&self, path: &str) -> Arc<[u8]> {
        let publication = self.server.engine.publication().unwrap();
        let mut documents = publication.documents.iter();
        let found = documents.find(|(of, _)| of == path);
        Arc::clone(&found.unwrap_or_else(|| panic!("no {path}")).1)
    }
}

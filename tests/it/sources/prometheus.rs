//! Counters with resets and gaps in them: as answers, and kept by a real Prometheus.

use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::extract::RawQuery;
use offpeak::config::Config;
use offpeak::domain::demand::observation::{Observation, Source};
use offpeak::domain::time::Timestamp;
use offpeak::engine::Engine;
use offpeak::engine::clock::ManualClock;
use offpeak::source::read_once;
use offpeak::store::{Change, Load, Migrations, connect};

use tempfile::TempDir;

use crate::support::{FreshSqlite, fresh_sqlite};
use crate::tools::{free_ports, run, tool};

/// 2026-11-28T12:00:00Z.
const START: i64 = 1_795_867_200;

fn parameter(query: &str, name: &str) -> i64 {
    let of = |pair: &str| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
    query.split('&').find_map(of).unwrap()
}

/// A counter that grows by 5 a minute, began again at 12:30, and was not scraped at 12:40.
fn value(at: i64) -> Option<i64> {
    let minute = (at - START) / 60;
    (minute != 40).then_some(if minute < 30 {
        1_000 + minute * 5
    } else {
        (minute - 30) * 5
    })
}

async fn answer(RawQuery(query): RawQuery) -> String {
    let query = query.unwrap();
    // What is summed up is asked for.
    let of_times = query.contains("query=timestamp%28new_certificates%29");
    assert!(
        of_times || query.contains("query=new_certificates&"),
        "{query}"
    );
    let (start, end) = (parameter(&query, "start"), parameter(&query, "end"));
    let values: Vec<String> = (start..=end)
        .step_by(60)
        .filter_map(|at| {
            let value = value(at)?;
            Some(format!("[{at},\"{}\"]", if of_times { at } else { value }))
        })
        .collect();
    format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{}]}}]}}}}"#,
        values.join(",")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_is_back_filled_and_followed_and_what_is_not_known_is_not_zero() {
    let router = Router::new().route("/api/v1/query_range", axum::routing::get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let text = format!(
        "[[source]]\nname = \"m\"\nca = \"default\"\nkind = \"prometheus\"\nbackfill = \"58m\"\n\
         url = \"http://{address}\"\nquery = \"sum(new_certificates)\"\n"
    );
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    // Samples of the last two minutes may be missing still.
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(START + 60 * 60)));
    let engine = Engine::open(
        store,
        Config::parse(&text).unwrap(),
        Arc::clone(&clock) as _,
    )
    .await;
    let engine = engine.unwrap();
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    read_once(&engine, &source).await.unwrap();
    // 58 minutes, less the reset: what it grew by around the one that was not scraped is spread over both.
    assert_eq!(observed(&engine).await, (57, 285));
    clock.set(Timestamp::from_unix(START + 70 * 60));
    read_once(&engine, &source).await.unwrap();
    assert_eq!(observed(&engine).await, (67, 335));
}

/// Two processes, 120 and 60 a minute, scraped every four minutes, as a range query shows that: each sample again and
/// again until the next. The second is not scraped from 12:20 to 12:28 and never after 13:30.
async fn rarely(RawQuery(query): RawQuery) -> String {
    let query = query.unwrap();
    let of_times = query.contains("query=timestamp");
    let (start, end) = (parameter(&query, "start"), parameter(&query, "end"));
    let of = |rate: i64, offset: i64, away: &dyn Fn(i64) -> bool| {
        let values: Vec<String> = (start..=end)
            .step_by(60)
            .filter_map(|at| {
                let taken = (at - offset).div_euclid(240) * 240 + offset;
                if away(taken) || taken < START - 3_600 {
                    return None;
                }
                let value = if of_times {
                    taken
                } else {
                    (taken - START + 7_200) * rate
                };
                Some(format!("[{at},\"{value}\"]"))
            })
            .collect();
        let name = if of_times {
            ""
        } else {
            r#""__name__":"new_certificates","#
        };
        format!(
            r#"{{"metric":{{{name}"instance":"{rate}"}},"values":[{}]}}"#,
            values.join(",")
        )
    };
    let away = |taken: i64| {
        let minute = (taken - START) / 60;
        (20..28).contains(&minute) || minute >= 90
    };
    let (one, other) = (of(2, 13, &|_| false), of(1, 71, &away));
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{one},{other}]}}}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rare_scrapes_make_neither_zeros_nor_peaks() {
    let router = Router::new().route("/api/v1/query_range", axum::routing::get(rarely));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let text = format!(
        "[[source]]\nname = \"m\"\nca = \"default\"\nkind = \"prometheus\"\nbackfill = \"1h\"\n\
         url = \"http://{address}\"\nquery = \"sum by (ca) (new_certificates)\"\n"
    );
    let (engine, clock, _database) = engine_at(&text, START + 60 * 60).await;
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    // Then minute by minute, as a task does.
    for minute in 61..=150 {
        clock.set(Timestamp::from_unix(START + minute * 60));
        read_once(&engine, &source).await.unwrap();
    }
    let mut found = super::csv::counted(&engine).await;
    let begins = found[0].at.unix();
    assert!(
        begins >= START - 2 * 60,
        "no more than was asked for: {begins}"
    );
    // Nothing twice, and all of it spread evenly, told no finer than it is known.
    let mut last = begins;
    let (mut minutes, mut events) = (0, 0);
    for one in &found {
        assert!(one.at.unix() >= last);
        last = one.at.unix() + i64::from(one.seconds);
        minutes += i64::from(one.seconds) / 60;
        events += i64::try_from(one.count).unwrap();
    }
    found.retain(|one| one.seconds >= 240);
    for one in &found {
        let per_minute = i64::try_from(one.count).unwrap() * 60 / i64::from(one.seconds);
        let want = if one.at.unix() - START > 88 * 60 {
            115..=181
        } else {
            178..=181
        };
        assert!(want.contains(&per_minute), "{per_minute} at {}", one.at);
    }
    assert!(found.len() > 25, "{}", found.len());
    // Some minutes around the end of the second are not known; it was waited for, and is gone.
    assert!((140..=147).contains(&minutes), "{minutes}");
    assert!(last >= START + 143 * 60, "{last}");
    let most = 90 * 180 + 58 * 120;
    assert!((most - 1_200..=most).contains(&events), "{events}");
}

/// Debian's Prometheus on samples of its own; killed when it is dropped.
struct Prometheus {
    url: String,
    child: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// One that has these samples, in the format of `OpenMetrics`; `None`, said aloud, where there is none here.
    fn with(samples: &str) -> Option<Self> {
        let program = tool("OFFPEAK_TEST_PROMETHEUS")?;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("samples"), samples).unwrap();
        fs::write(path("prometheus.yml"), "scrape_configs: []\n").unwrap();
        let promtool = program.with_file_name("promtool");
        run(Command::new(promtool)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([path("samples"), path("data")]));
        let [port] = free_ports();
        let child = Command::new(program)
            .arg(format!(
                "--config.file={}",
                path("prometheus.yml").display()
            ))
            .arg(format!("--storage.tsdb.path={}", path("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--storage.tsdb.retention.time=100y")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("log")).unwrap())
            .spawn()
            .expect("Prometheus starts");
        Some(Self {
            url: format!("http://127.0.0.1:{port}"),
            child,
            _folder: folder,
        })
    }

    async fn is_ready(&self) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for _ in 0..1_500 {
            let answer = client.get(format!("{}/-/ready", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("Prometheus is not ready");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_is_back_filled_and_followed() {
    // Two processes, 5 and 2 a minute, scraped each 30 s: one begins again at 12:30, and the other is not
    // scraped from 12:40 to 12:50.
    let mut samples = "# TYPE new_certificates counter\n".to_owned();
    for (instance, rate) in [("a", 5), ("b", 2)] {
        for half in -10..160 {
            let (minute, at) = (half / 2, START + half * 30);
            let begun = if instance == "a" && half >= 61 {
                60
            } else {
                -1_000
            };
            if instance == "b" && (40..50).contains(&minute) {
                continue;
            }
            let value = (half - begun) * rate;
            let name = "new_certificates_total";
            writeln!(samples, "{name}{{instance=\"{instance}\"}} {value} {at}").unwrap();
        }
    }
    samples += "# EOF\n";
    let Some(prometheus) = Prometheus::with(&samples) else {
        return;
    };
    prometheus.is_ready().await;
    let text = format!(
        "[[source]]\nname = \"m\"\nca = \"default\"\nkind = \"prometheus\"\nbackfill = \"58m\"\n\
         url = \"{}\"\nquery = \"new_certificates_total\"\n",
        prometheus.url
    );
    let (engine, clock, _database) = engine_at(&text, START + 60 * 60).await;
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    read_once(&engine, &source).await.unwrap();
    let (minutes, events) = observed(&engine).await;
    // 58 minutes, less that of the reset. What `b` grew by while it was away is spread over that time.
    assert_eq!((minutes, events), (57, 57 * 14));
    clock.set(Timestamp::from_unix(START + 70 * 60));
    read_once(&engine, &source).await.unwrap();
    assert_eq!(observed(&engine).await, (67, events + 140));
    // What it refuses is said in its words.
    let text = text.replace("new_certificates_total", "sum(");
    let (engine, _clock, _database) = engine_at(&text, START + 60 * 60).await;
    let source = engine.config().sources[0].clone();
    let error = read_once(&engine, &source).await.unwrap_err().to_string();
    assert!(error.contains("says 400"), "{error}");
}

async fn engine_at(text: &str, now: i64) -> (Arc<Engine>, Arc<ManualClock>, FreshSqlite) {
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(now)));
    let config = Config::parse(text).unwrap();
    let engine = Engine::open(store, config, Arc::clone(&clock) as _).await;
    (engine.unwrap(), clock, database)
}

async fn observed(engine: &Engine) -> (usize, u64) {
    let mut found: Vec<Observation> = Vec::new();
    let mut on_change = |change| {
        if let Change::Observed { observation, .. } = change {
            found.push(observation);
        }
    };
    let from = Timestamp::from_unix(0);
    let load = engine
        .store()
        .load(Load::WithoutCertificates, from, &mut on_change);
    load.await.unwrap();
    assert!(found.iter().all(|one| one.source == Source::Metrics));
    let minutes = found
        .iter()
        .map(|one| usize::try_from(one.seconds / 60).unwrap());
    (minutes.sum(), found.iter().map(|one| one.count).sum())
}

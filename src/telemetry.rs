//! Logs and metrics, set up once for each process.
//!
//! `docs/logging.md` lists every event. A CertID may be logged in clear only at debug level; above
//! it, log [`CertIdDigest`].

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sha2::{Digest, Sha256};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::domain::certificate::certid::CertId;

/// The filter for logs, in the syntax of `tracing_subscriber::EnvFilter`: `info`, `offpeak=debug`.
const FILTER_VARIABLE: &str = "OFFPEAK_LOG";

/// The default filter. Without the exception, PostgreSQL reports each table that a migration looks
/// for.
pub const USUAL: &str = "info,sqlx::postgres::notice=warn";

/// The default filter of a demo. Built without optimization, it stores its history by statements of
/// more than a second, of which sqlx would warn with their whole texts.
pub const OF_DEMO: &str = "info,sqlx::query=error";

/// Upper bounds of the buckets of all histograms of seconds, a factor of about 2.5 apart: from 25
/// µs, the minimum of an answer from memory, to 10 s, after which clients give up.
const SECONDS_BUCKETS: [f64; 18] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The format of logs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people to read.
    Text,
}

/// The text is not a log format.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is neither json nor text")]
pub struct UnknownLogFormat(pub String);

/// Why logs or metrics cannot be set up.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TelemetryError {
    /// `OFFPEAK_LOG` is not a valid filter.
    #[error("OFFPEAK_LOG is no filter such as \"info\" or \"offpeak=debug\": {0}")]
    Filter(String),
    /// Another recorder has already been installed in this process.
    #[error("metrics cannot be recorded: {0}")]
    Recorder(String),
}

/// The process's metrics.
#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

/// A CertID in logs above debug level: `sha256:` and the first 12 hexadecimal digits of the SHA-256
/// of its text. Lines of the same certificate have the same digest, and whoever knows the CertID
/// can find them: `printf %s CERTID | sha256sum | cut -c1-12`.
#[derive(Clone, Copy)]
pub struct CertIdDigest<'a>(pub &'a CertId);

impl FromStr for LogFormat {
    type Err = UnknownLogFormat;
    fn from_str(text: &str) -> Result<Self, UnknownLogFormat> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            other => Err(UnknownLogFormat(other.to_owned())),
        }
    }
}

impl LogFormat {
    /// Text if standard error is a terminal, otherwise JSON.
    #[must_use]
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self::Text
        } else {
            Self::Json
        }
    }
}

/// Makes this process log to standard error, including panics, as one event each. `OFFPEAK_LOG` is
/// the filter, by default `usual`. If the process already logs, nothing changes.
///
/// # Errors
/// [`TelemetryError::Filter`].
pub fn log_to_stderr(format: Option<LogFormat>, usual: &str) -> Result<(), TelemetryError> {
    let configured = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let filter = filter_of(if configured.is_empty() {
        usual
    } else {
        &configured
    })?;
    let format = format.unwrap_or_else(LogFormat::of_stderr);
    let installed = tracing::dispatcher::set_global_default(dispatch(format, filter, io::stderr));
    if installed.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// The metrics of the process, recorded from the first call on. Every call returns the same ones.
///
/// # Errors
/// [`TelemetryError::Recorder`] if another recorder has been installed.
pub fn metrics() -> Result<Metrics, TelemetryError> {
    static INSTALLED: OnceLock<Result<Metrics, TelemetryError>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
                .and_then(PrometheusBuilder::install_recorder)
                .map(Metrics)
                .map_err(|error| TelemetryError::Recorder(error.to_string()))
        })
        .clone()
}

impl Metrics {
    /// The `Content-Type` of [`Metrics::render`].
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// How often [`Metrics::keep_up`] is due.
    pub const UPKEEP: Duration = Duration::from_secs(5);

    /// All metrics in Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Aggregates the data of histograms. Without this it accumulates until the next
    /// [`Metrics::render`], which may never come.
    pub fn keep_up(&self) {
        self.0.run_upkeep();
    }
}

impl fmt::Display for CertIdDigest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        Sha256::digest(self.0.to_string())
            .iter()
            .take(6)
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for CertIdDigest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn dispatch<W>(format: LogFormat, filter: EnvFilter, writer: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        LogFormat::Json => {
            let lines = format::format()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false);
            let subscriber = subscriber.json();
            Dispatch::new(subscriber.event_format(named(format, lines)).finish())
        }
        LogFormat::Text => {
            let ansi = io::stderr().is_terminal();
            let lines = format::format().with_ansi(ansi);
            let subscriber = subscriber.with_ansi(ansi);
            Dispatch::new(subscriber.event_format(named(format, lines)).finish())
        }
    }
}

/// The field that names an event.
const EVENT: &str = "event";

/// The name for events logged by libraries, which have none.
const OF_A_LIBRARY: &str = "dependency";

/// Writes events like `lines`, and adds the missing name to those of libraries.
struct Named<L> {
    format: LogFormat,
    lines: L,
}

const fn named<L>(format: LogFormat, lines: L) -> Named<L> {
    Named { format, lines }
}

impl<S, N, L> FormatEvent<S, N> for Named<L>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    L: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().fields().field(EVENT).is_some() {
            return self.lines.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.lines
            .format_event(context, Writer::new(&mut line), event)?;
        match (self.format, line.strip_prefix('{')) {
            (LogFormat::Json, Some(rest)) => {
                write!(writer, "{{\"{EVENT}\":\"{OF_A_LIBRARY}\",{rest}")
            }
            _ => writeln!(writer, "{} {EVENT}={OF_A_LIBRARY:?}", line.trim_end()),
        }
    }
}

fn filter_of(directives: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(directives).map_err(|error| {
        let cause = error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string);
        TelemetryError::Filter(cause)
    })
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic
        .payload_as_str()
        .unwrap_or("a panic without a message");
    let at = panic.location().map(ToString::to_string);
    tracing::error!(event = "panic", at, "{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_installed_once_and_everybody_sees_them() {
        let first = metrics().unwrap();
        let second = metrics().unwrap();
        metrics::counter!("telemetry_test_total").increment(2);
        metrics::histogram!("telemetry_test_seconds").record(0.003);
        first.keep_up();
        let text = second.render();
        assert!(text.contains("telemetry_test_total 2"), "{text}");
        for bucket in [
            "telemetry_test_seconds_bucket{le=\"0.0025\"} 0",
            "telemetry_test_seconds_bucket{le=\"0.005\"} 1",
        ] {
            assert!(text.contains(bucket), "{text}");
        }
    }

    #[test]
    fn an_event_is_one_json_object_with_its_fields_and_level() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = std::sync::Mutex::new(log.reopen().unwrap());
        let dispatch = dispatch(LogFormat::Json, filter_of(USUAL).unwrap(), writer);
        tracing::dispatcher::with_default(&dispatch, || {
            let _inside = tracing::info_span!("span", secret = 1).entered();
            tracing::debug!(event = "unseen");
            tracing::info!(target: "sqlx::postgres::notice", "unseen: a table exists already");
            tracing::error!(event = "seen", at = Some("x.rs:1:2"), "in {}", "words");
        });
        let text = std::fs::read_to_string(log.path()).unwrap();
        let mut line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(line["timestamp"].take().as_str().unwrap().ends_with('Z'));
        let want = serde_json::json!({
            "timestamp": null,
            "level": "ERROR",
            "event": "seen",
            "at": "x.rs:1:2",
            "message": "in words",
            "target": "offpeak::telemetry::tests",
        });
        assert_eq!(line, want);
    }

    #[test]
    fn an_event_without_a_name_is_given_that_of_a_library_s() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let log = tempfile::NamedTempFile::new().unwrap();
            let writer = std::sync::Mutex::new(log.reopen().unwrap());
            let dispatch = dispatch(format, filter_of(USUAL).unwrap(), writer);
            tracing::dispatcher::with_default(&dispatch, || {
                tracing::warn!(target: "h2::codec", code = 1, "a frame");
                tracing::warn!(event = "ours");
            });
            let text = std::fs::read_to_string(log.path()).unwrap();
            let [theirs, ours] = text.lines().collect::<Vec<_>>()[..] else {
                panic!("two lines: {text}");
            };
            if format == LogFormat::Json {
                let theirs: serde_json::Value = serde_json::from_str(theirs).unwrap();
                let read = ["event", "target", "message"].map(|key| theirs[key].as_str());
                assert_eq!(
                    read,
                    [Some("dependency"), Some("h2::codec"), Some("a frame")]
                );
                assert_eq!(theirs["code"], 1);
            } else {
                assert!(
                    theirs.ends_with("h2::codec: a frame code=1 event=\"dependency\""),
                    "{theirs}"
                );
            }
            assert!(
                ours.contains("ours") && !ours.contains("dependency"),
                "{ours}"
            );
        }
    }

    #[test]
    fn a_filter_is_checked() {
        for directives in [USUAL, OF_DEMO, "warn", "offpeak=debug,sqlx=warn"] {
            assert!(filter_of(directives).is_ok(), "{directives}");
        }
        let error = filter_of("offpeak=loud").unwrap_err().to_string();
        assert!(error.starts_with("OFFPEAK_LOG is no filter"), "{error}");
    }

    #[test]
    fn a_digest_names_a_certid_without_revealing_it() {
        let id: CertId = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".parse().unwrap();
        assert_eq!(CertIdDigest(&id).to_string(), "sha256:b9d575f2f908");
        assert_eq!(
            format!("{:?}", CertIdDigest(&id)),
            CertIdDigest(&id).to_string()
        );
    }
}

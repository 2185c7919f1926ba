//! `offpeak serve`: the service.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::exit::Exit;
use super::global::Global;
use super::listeners::Listeners;
use super::output::Output;
use super::running::Running;
use super::runtimes::{Runtimes, open_all_that_may_be_opened};
use crate::config::{Config, Connections, TlsFiles};
use crate::engine::Engine;
use crate::engine::clock::SystemClock;
use crate::store::{self, Migrations};
use crate::wire::{Neighbourhood, Stop, Tls};

/// The longest time for one short statement, during which stopping has to wait.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Serve: the public listener and the admin listener
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  OFFPEAK_ADMIN_TOKEN=$(openssl rand -hex 32) offpeak serve
  offpeak serve --config /etc/offpeak/offpeak.toml --database postgres://offpeak@db.example/offpeak

Reads a configuration in TOML, where one is named; docs/configuration.md has all its keys.")]
pub(super) struct Serve {
    /// Apply pending migrations to a PostgreSQL database first
    #[arg(long)]
    migrate: bool,
}

impl Serve {
    pub(super) fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let migrations = if self.migrate {
            Migrations::Apply
        } else {
            Migrations::RefusePending
        };
        serve_as(global, output, migrations, Ok)
    }
}

/// Serves with the configuration as changed by `adapt`, now and after each reload.
pub(super) fn serve_as(
    global: &Global,
    output: &mut Output,
    migrations: Migrations,
    adapt: impl Fn(Config) -> anyhow::Result<Config> + Send + Sync + 'static,
) -> anyhow::Result<Exit> {
    open_all_that_may_be_opened();
    Runtimes::start()?.run(async |runtimes| {
        let config = adapt(global.config()?)?;
        // Before anything slow, so that a port in use is reported at once.
        let listeners = Listeners::bind(&config, runtimes).await?;
        let engine = runtimes.work().spawn(engine(config, migrations)).await??;
        let (tls, neighbourhood) = (listeners.tls.clone(), listeners.neighbourhood.clone());
        let flags = global.clone();
        let read = move || adapt(flags.config()?);
        let reloading = reload(Arc::clone(&engine), read, tls, neighbourhood);
        let reloading = runtimes.work().spawn(reloading);
        let served = serve(&engine, listeners, runtimes, output, &[]).await;
        reloading.abort();
        served?;
        Ok(Exit::Done)
    })
}

pub(super) async fn engine(config: Config, migrations: Migrations) -> anyhow::Result<Arc<Engine>> {
    let store = store::prepare(&config.database, migrations).await?;
    let clock = Arc::new(SystemClock);
    let engine = match config.snapshot_file() {
        Some(file) => Engine::resume(store, config, clock, file).await?,
        None => Engine::open(store, config, clock).await?,
    };
    Ok(engine)
}

/// Serves until SIGINT or SIGTERM, or until the store turns out to be one that a start would
/// reject; then finishes requests in progress. `greeting` is printed below the two URLs once both
/// listeners answer.
pub(super) async fn serve(
    engine: &Arc<Engine>,
    listeners: Listeners,
    runtimes: &Runtimes,
    output: &mut Output,
    greeting: &[String],
) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // The documents exist before the first request; a start with the index's file already has them.
    if engine.is_summed() {
        let publishing = Arc::clone(engine);
        let published = runtimes
            .work()
            .spawn(async move { publishing.publish_if_due().await });
        published.await??;
    }
    let (public_url, admin_url) = listeners.urls()?;
    engine.introduce(machine(), admin_url.clone());
    let mut running = Running::start(engine, listeners, runtimes)?;
    writeln!(output, "public {public_url}\nadmin {admin_url}")?;
    for directory in &running.directories {
        writeln!(output, "gateway {directory}")?;
    }
    for line in greeting {
        writeln!(output, "{line}")?;
    }
    output.flush()?;
    tracing::info!(event = "serving", public = public_url, admin = admin_url);
    let (how, refused) = tokio::select! {
        // The user at the keyboard wants it to end.
        _ = interrupt.recv() => (Stop::AtOnce, None),
        _ = terminate.recv() => (Stop::WithGrace, None),
        Ok(Err(error)) = &mut running.tasks => (Stop::AtOnce, Some(error)),
    };
    tracing::info!(event = "stopping");
    engine.stop_soon();
    running.stop(how).await?;
    let keeping = Arc::clone(engine);
    let kept = runtimes.work().spawn(async move {
        // An unavailable store does not answer in time, and the others will notice the silence.
        if let Ok(Err(error)) = timeout(LEAVE_WITHIN, keeping.leave()).await {
            tracing::warn!(event = "not_taken_off_the_list_of_replicas", %error);
        }
        keeping.keep_snapshot().await
    });
    if let Err(error) = kept.await? {
        tracing::warn!(event = "snapshot_not_written", %error);
    }
    tracing::info!(event = "stopped");
    match refused {
        Some(error) => Err(error).context("the database was not there at the start, and is now"),
        None => Ok(()),
    }
}

/// The machine's host name.
fn machine() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}

/// Reloads the configuration on each SIGHUP. If it is invalid, the old one stays.
async fn reload(
    engine: Arc<Engine>,
    read: impl Fn() -> anyhow::Result<Config> + Send,
    tls: Option<Arc<Tls>>,
    neighbourhood: Arc<Neighbourhood>,
) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        tracing::error!(event = "reload_unavailable");
        return;
    };
    while hangups.recv().await.is_some() {
        let outcome = match read() {
            Ok(config) => {
                let old = engine.config();
                if old.listen != config.listen
                    || old.admin_listen != config.admin_listen
                    || old.database != config.database
                    || old.snapshot != config.snapshot
                    || old.connections.shutdown_grace_seconds
                        != config.connections.shutdown_grace_seconds
                    || old.tls.is_some() != config.tls.is_some()
                    || old.gateways != config.gateways
                {
                    tracing::warn!(
                        event = "restart_needed",
                        detail = "addresses, the database, the snapshot, the grace of a stop, the \
                                  gateways, and whether there is TLS are read at the start only"
                    );
                }
                if let (Some(tls), Some(files)) = (&tls, &config.tls) {
                    renew(tls, files);
                }
                let connections = config.connections.clone();
                let outcome = engine.reconfigure(config).await.map_err(Into::into);
                if outcome.is_ok() {
                    let Connections {
                        per_address,
                        trusted_proxies,
                        ..
                    } = connections;
                    neighbourhood.renew(per_address, trusted_proxies);
                }
                outcome
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => tracing::info!(event = "reloaded", version = &*engine.version()),
            Err(error) => {
                let detail = super::causes::one_line(&error);
                tracing::error!(event = "reload_refused", detail);
            }
        }
    }
}

/// Loads the certificate from its files. If it is invalid, the old one stays in use.
fn renew(tls: &Tls, files: &TlsFiles) {
    match tls.renew(&files.certificate, &files.key) {
        Ok(()) => tracing::info!(event = "certificate_renewed"),
        Err(error) => tracing::error!(event = "certificate_refused", %error),
    }
}

//! `offpeak serve`: the service.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Exit, Global, Output};
use crate::config::{Config, TlsFiles};
use crate::engine::Engine;
use crate::engine::clock::SystemClock;
use crate::http::{self, Limits, Listener, Passed, Tls};
use crate::store::{self, Migrations};
use crate::telemetry::{self, Metrics};

/// Serve: the public listener and the admin listener
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Apply pending migrations to a PostgreSQL database first
    #[arg(long)]
    migrate: bool,
}

/// Both listeners, bound.
pub(super) struct Listeners {
    public: Listener,
    admin: Listener,
    tls: Option<Arc<Tls>>,
}

impl Serve {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let config = global.config()?;
        // Before anything slow: a port that is taken is said at once.
        let listeners = Listeners::bind(&config).await?;
        let migrations = if self.migrate {
            Migrations::Apply
        } else {
            Migrations::RefusePending
        };
        let store = store::prepare(&config.database, migrations).await?;
        let clock = Arc::new(SystemClock);
        let engine = match config.snapshot_file() {
            Some(file) => Engine::resume(store, config, clock, file).await?,
            None => Engine::open(store, config, clock).await?,
        };
        let tls = listeners.tls.clone();
        let reloading = tokio::spawn(reload(Arc::clone(&engine), global.clone(), tls));
        let served = serve(&engine, listeners, output, &[]).await;
        reloading.abort();
        served?;
        Ok(Exit::Done)
    }
}

impl Listeners {
    /// Takes the sockets that systemd passed, and binds those that it did not.
    pub(super) async fn bind(config: &Config) -> anyhow::Result<Self> {
        const NAMES: &[&str] = &["public", "admin"];
        let mut passed = Passed::of_process();
        let mut bind = async |name: &str, address: &str| {
            let taken = passed.take(name, NAMES);
            let taken = taken.with_context(|| format!("cannot use the {name} socket passed"))?;
            match taken {
                Some(listener) => anyhow::Ok(listener),
                None => Listener::bind(address)
                    .await
                    .with_context(|| format!("cannot listen on {address}")),
            }
        };
        let mut public = bind("public", &config.listen).await?;
        let admin = bind("admin", &config.admin_listen).await?;
        let tls = match &config.tls {
            Some(files) => Some(Arc::new(Tls::open(&files.certificate, &files.key)?)),
            None => None,
        };
        if let Some(tls) = &tls {
            public = public.secured(Arc::clone(tls));
        }
        Ok(Self { public, admin, tls })
    }

    /// The URLs of the public and the admin listener.
    pub(super) fn urls(&self) -> anyhow::Result<(String, String)> {
        Ok((self.public.url()?, self.admin.url()?))
    }
}

/// Serves until SIGINT or SIGTERM, or until the store turns out to be one that a start refuses, then
/// lets requests under way end. `greeting` is printed below the two URLs, once both listeners
/// answer.
pub(super) async fn serve(
    engine: &Arc<Engine>,
    listeners: Listeners,
    output: &mut Output,
    greeting: &[String],
) -> anyhow::Result<()> {
    let metrics: Metrics = telemetry::metrics()?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // The documents are there before the first request is; a start with the index's file has them.
    if engine.is_summed() {
        engine.publish_if_due().await?;
    }
    let (public_url, admin_url) = listeners.urls()?;
    let base_url = listeners.public.base_url()?;
    let (stop, stopped) = watch::channel(());
    let wait = |mut stopped: watch::Receiver<()>| async move {
        // An error says that the sender is gone, which is the sign to stop.
        while stopped.changed().await.is_ok() {}
    };
    let public = tokio::spawn(http::serve(
        listeners.public,
        http::public(Arc::clone(engine), &base_url),
        wait(stopped.clone()),
        Limits::PUBLIC,
    ));
    let admin = tokio::spawn(http::serve(
        listeners.admin,
        http::admin(Arc::clone(engine), metrics.clone()),
        wait(stopped),
        Limits::ADMIN,
    ));
    let mut running = tokio::spawn(Arc::clone(engine).run());
    let upkeep = tokio::spawn(keep_up(metrics));
    let renewing = listeners
        .tls
        .map(|tls| tokio::spawn(async move { tls.follow().await }));
    writeln!(output, "public {public_url}\nadmin {admin_url}")?;
    for line in greeting {
        writeln!(output, "{line}")?;
    }
    output.flush()?;
    tracing::info!(event = "serving", public = public_url, admin = admin_url);
    let refused = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        Ok(Err(error)) = &mut running => Some(error),
    };
    tracing::info!(event = "stopping");
    drop(stop);
    let drained = tokio::try_join!(public, admin);
    running.abort();
    upkeep.abort();
    if let Some(renewing) = renewing {
        renewing.abort();
    }
    drained.context("a listener ended badly")?;
    if let Err(error) = engine.keep_snapshot().await {
        tracing::warn!(event = "snapshot_not_written", %error);
    }
    tracing::info!(event = "stopped");
    match refused {
        Some(error) => Err(error).context("the database was not there at the start, and is now"),
        None => Ok(()),
    }
}

async fn keep_up(metrics: Metrics) {
    let mut ticks = tokio::time::interval(Metrics::UPKEEP);
    loop {
        ticks.tick().await;
        metrics.keep_up();
    }
}

/// On each SIGHUP reads the configuration again. An invalid one leaves the old one in force.
async fn reload(engine: Arc<Engine>, global: Global, tls: Option<Arc<Tls>>) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        tracing::error!(event = "reload_unavailable");
        return;
    };
    while hangups.recv().await.is_some() {
        let outcome = match global.config() {
            Ok(config) => {
                let old = engine.config();
                if old.listen != config.listen
                    || old.admin_listen != config.admin_listen
                    || old.database != config.database
                    || old.snapshot != config.snapshot
                    || old.tls.is_some() != config.tls.is_some()
                {
                    tracing::warn!(
                        event = "restart_needed",
                        detail = "addresses, the database, the snapshot, and whether there is TLS \
                                  are read at the start only"
                    );
                }
                if let (Some(tls), Some(files)) = (&tls, &config.tls) {
                    renew(tls, files);
                }
                engine.reconfigure(config).await.map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => tracing::info!(event = "reloaded", version = &*engine.version()),
            Err(error) => {
                let detail = super::one_line(&error);
                tracing::error!(event = "reload_refused", detail);
            }
        }
    }
}

/// Takes the certificate up that the files hold now. A bad one leaves the old one in use.
fn renew(tls: &Tls, files: &TlsFiles) {
    match tls.renew(&files.certificate, &files.key) {
        Ok(()) => tracing::info!(event = "certificate_renewed"),
        Err(error) => tracing::error!(event = "certificate_refused", %error),
    }
}

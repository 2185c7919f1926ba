//! The listener of a gateway, and its tasks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::{AbortHandle, JoinHandle};

use super::super::runtimes::Runtimes;
use crate::config::GatewayConfig;
use crate::engine::Engine;
use crate::gateway::admission::hold::{self, Hold};
use crate::gateway::{Gateway, Parts, directory_url, spool_folder};
use crate::http;
use crate::wire::{self, Limits, Listener, Neighbourhood, Stop, Tls};

/// A gateway with a bound listener.
pub(in crate::cli) struct Front {
    config: GatewayConfig,
    listener: Listener,
    tls: Option<Arc<Tls>>,
}

/// A running gateway.
pub(in crate::cli) struct Serving {
    /// Ends when its listener is drained.
    pub(in crate::cli) listener: JoinHandle<()>,
    /// Tasks to end then.
    pub(in crate::cli) background: Vec<AbortHandle>,
    /// The gateway, for its final write then.
    pub(in crate::cli) gateway: Arc<Gateway>,
    /// The directory URL for clients.
    pub(in crate::cli) directory: String,
}

impl Front {
    /// Binds its listener on the threads that answer the public.
    pub(in crate::cli) async fn bind(
        config: &GatewayConfig,
        runtimes: &Runtimes,
        neighbourhood: &Arc<Neighbourhood>,
    ) -> anyhow::Result<Self> {
        let address = config.listen.clone();
        let binding = runtimes
            .public()
            .spawn(async move { Listener::bind(&address).await });
        let mut listener = binding.await?.with_context(|| {
            format!(
                "the gateway {} cannot listen on {}",
                config.name, config.listen
            )
        })?;
        let tls = match &config.tls {
            Some(files) => Some(Arc::new(Tls::open(&files.certificate, &files.key)?)),
            None => None,
        };
        if let Some(tls) = &tls {
            listener = listener.secured(Arc::clone(tls));
        }
        Ok(Self {
            config: config.clone(),
            listener: listener.among(Arc::clone(neighbourhood)),
            tls,
        })
    }

    /// Serves until `stop`.
    pub(in crate::cli) fn serve(
        self,
        engine: &Arc<Engine>,
        runtimes: &Runtimes,
        limits: Limits,
        stop: impl Future<Output = Stop> + Send + 'static,
    ) -> anyhow::Result<Serving> {
        let bound = self.listener.base_url()?;
        let base_url = self.config.base_url.clone().unwrap_or(bound);
        let admitted = hold::limits(&self.config, &engine.config(), engine.now());
        let admission = {
            // Held requests are released on the threads that answer them.
            let _threads = runtimes.public().enter();
            Arc::new(Hold::start(engine.now(), admitted))
        };
        let closing = Arc::clone(&admission);
        let grace = limits.grace;
        let stop = async move {
            let how = stop.await;
            closing.close(match how {
                Stop::AtOnce => Duration::ZERO,
                Stop::WithGrace => grace,
            });
            how
        };
        let following = Arc::clone(&admission).follow(Arc::clone(engine), self.config.clone());
        let parts = Parts {
            engine: Arc::clone(engine),
            renewal_info: http::renewal_info_alone(Arc::clone(engine), &base_url),
            admission,
            spool: spool_folder(&self.config, &engine.config().database),
        };
        let directory = directory_url(&base_url, &self.config.upstream);
        let places = self.config.held;
        let gateway = Gateway::open(self.config, parts)?;
        // Held requests keep their connections, and must not take them from others.
        let limits = Limits {
            connections: limits.connections.saturating_add(places),
            ..limits
        };
        let listener = wire::serve(self.listener, gateway.app(), stop, limits);
        let mut background = vec![
            runtimes
                .work()
                .spawn(Arc::clone(&gateway).run())
                .abort_handle(),
            runtimes.work().spawn(following).abort_handle(),
        ];
        if let Some(tls) = self.tls {
            let following = runtimes.work().spawn(async move { tls.follow().await });
            background.push(following.abort_handle());
        }
        Ok(Serving {
            listener: runtimes.public().spawn(listener),
            background,
            gateway,
            directory,
        })
    }
}

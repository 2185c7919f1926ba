//! The listeners of a service: bound, or inherited from systemd.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;

use super::gateway::front::Front;
use super::runtimes::Runtimes;
use crate::config::{Config, Connections};
use crate::wire::{InheritedSockets, Listener, Neighbourhood, Tls};

/// The bound listeners.
pub(super) struct Listeners {
    pub(super) public: Listener,
    pub(super) admin: Listener,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) neighbourhood: Arc<Neighbourhood>,
    /// The gateways' listeners.
    pub(super) gateways: Vec<Front>,
    /// How long they accept connections after the process begins to stop.
    pub(super) grace: Duration,
}

impl Listeners {
    /// Takes the sockets passed by systemd and binds the others, each on the threads that will use
    /// it.
    pub(super) async fn bind(config: &Config, runtimes: &Runtimes) -> anyhow::Result<Self> {
        const NAMES: &[&str] = &["public", "admin"];
        let mut passed = InheritedSockets::of_process();
        let mut bind = async |name: &str, address: &str, threads: &Handle| {
            let taken = {
                let _on_these = threads.enter();
                passed.take(name, NAMES)
            };
            let taken = taken.with_context(|| format!("cannot use the {name} socket passed"))?;
            if let Some(listener) = taken {
                return anyhow::Ok(listener);
            }
            let binding = address.to_owned();
            let bound = threads.spawn(async move { Listener::bind(&binding).await });
            let bound = bound.await?;
            bound.with_context(|| format!("the {name} listener cannot listen on {address}"))
        };
        let mut public = bind("public", &config.listen, runtimes.public()).await?;
        let admin = bind("admin", &config.admin_listen, runtimes.admin()).await?;
        let tls = match &config.tls {
            Some(files) => Some(Arc::new(Tls::open(&files.certificate, &files.key)?)),
            None => None,
        };
        if let Some(tls) = &tls {
            public = public.secured(Arc::clone(tls));
        }
        let Connections {
            per_address,
            trusted_proxies,
            shutdown_grace_seconds,
        } = config.connections.clone();
        let neighbourhood = Arc::new(Neighbourhood::new(per_address, trusted_proxies));
        let mut gateways = Vec::new();
        for gateway in &config.gateways {
            gateways.push(Front::bind(gateway, runtimes, &neighbourhood).await?);
        }
        Ok(Self {
            gateways,
            public: public.among(Arc::clone(&neighbourhood)),
            admin: admin.among(Arc::clone(&neighbourhood)),
            tls,
            neighbourhood,
            grace: Duration::from_secs(shutdown_grace_seconds.into()),
        })
    }

    /// The URLs of the public and the admin listener.
    pub(super) fn urls(&self) -> anyhow::Result<(String, String)> {
        Ok((self.public.url()?, self.admin.url()?))
    }
}

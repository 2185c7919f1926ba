//! The keys before all tables.

use std::path::PathBuf;

use super::duration::MOST_SECONDS;
use super::error::Problems;
use super::section::Section;
use super::value::{self, base_url, database_url, listen_address};
use super::{Config, Connections};
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::time::{DAY, MINUTE};

impl Default for Config {
    /// The configuration without a file: no token, and the CA `default`.
    fn default() -> Self {
        Self {
            cas: vec![CaPolicy::named(CaName::default())],
            ..Self::without_cas()
        }
    }
}

impl Config {
    /// The configuration of an empty file, before its CAs are added.
    pub(super) fn without_cas() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            admin_listen: "127.0.0.1:8081".to_owned(),
            base_url: None,
            database: "sqlite:offpeak.db".to_owned(),
            snapshot: None,
            strict_issuers: false,
            publish_interval_seconds: DAY,
            retention_seconds: 400 * DAY,
            connections: Connections::default(),
            tls: None,
            tokens: Vec::new(),
            cas: Vec::new(),
            gateways: Vec::new(),
            crls: Vec::new(),
            publish: Vec::new(),
            sources: Vec::new(),
            status_pages: Vec::new(),
            webhooks: Vec::new(),
        }
    }

    pub(super) fn read_service(&mut self, root: &mut Section<'_>, problems: &mut Problems<'_>) {
        if let Some(listen) = root.read("listen", problems, |v| {
            value::text(v).and_then(listen_address)
        }) {
            self.listen = listen;
        }
        if let Some(listen) = root.read("admin_listen", problems, |v| {
            value::text(v).and_then(listen_address)
        }) {
            self.admin_listen = listen;
        }
        if self.listeners_collide() {
            let reason = "is the public listener's address too: give it another port";
            root.fault("admin_listen", problems, reason);
        }
        self.base_url = root.read("base_url", problems, |v| value::text(v).and_then(base_url));
        if let Some(database) = root.read("database", problems, |v| {
            value::text(v).and_then(database_url)
        }) {
            self.database = database;
        }
        self.snapshot = root.read("snapshot", problems, |v| value::text(v).map(str::to_owned));
        if let Some(strict) = root.read("strict_issuers", problems, value::switch) {
            self.strict_issuers = strict;
        }
        if let Some(seconds) = root.read("publish_interval", problems, |v| {
            value::duration(v, MINUTE..=MOST_SECONDS)
        }) {
            self.publish_interval_seconds = seconds;
        }
        if let Some(seconds) = root.read("retention", problems, |v| {
            value::duration(v, DAY..=MOST_SECONDS)
        }) {
            self.retention_seconds = seconds;
        }
    }

    /// Whether both listeners would bind to the same address.
    #[must_use]
    pub fn listeners_collide(&self) -> bool {
        self.listen == self.admin_listen && !self.listen.ends_with(":0")
    }

    /// The file of the certificates in memory: as configured, else next to an SQLite database.
    #[must_use]
    pub fn snapshot_file(&self) -> Option<PathBuf> {
        match self.snapshot.as_deref() {
            Some("") => None,
            Some(path) => Some(path.into()),
            None => {
                let path = self.database.strip_prefix("sqlite:")?;
                let path = path.strip_prefix("//").unwrap_or(path);
                (path != ":memory:").then(|| format!("{path}.index").into())
            }
        }
    }
}

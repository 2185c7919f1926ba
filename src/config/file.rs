//! The configuration, read from the file section by section.

use toml::de::DeTable;

use crate::ca;
use crate::connections::Connections;
use crate::crl::{self, CrlConfig};
use crate::domain::certificate::certid::KeyIdentifier;
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::error::{ConfigError, Problems};
use crate::gateway::{self, GatewayConfig};
use crate::note;
use crate::publish::{self, PublishConfig};
use crate::section::Section;
use crate::source::{self, SourceConfig};
use crate::status_page::{self, StatusPageConfig};
use crate::tls::{self, TlsFiles};
use crate::token::{self, Token};
use crate::webhook::{self, WebhookConfig};

/// The configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The address of the public listener, `ADDRESS:PORT` or `unix:/PATH`; default `127.0.0.1:8080`.
    pub listen: String,
    /// The address of the admin listener, in the same form; default `127.0.0.1:8081`.
    pub admin_listen: String,
    /// The public URL of the public listener, without a trailing slash. `None`: `http://` or, with TLS,
    /// `https://` and the bound address, or `localhost` for a Unix socket.
    pub base_url: Option<String>,
    /// `sqlite:PATH` or `postgres://…`; default `sqlite:offpeak.db`. It may contain a password.
    pub database: String,
    /// The file of the certificates in memory, as configured; `""` for none.
    pub snapshot: Option<String>,
    /// Whether issuers that no CA claims are refused. By default they belong to the CA `default`.
    pub strict_issuers: bool,
    /// Seconds between publications, 60 or more; default one day.
    pub publish_interval_seconds: i64,
    /// How many seconds observations are kept, at least a day; default 400 days.
    pub retention_seconds: i64,
    /// The limits of one client's connections, and the length of a stop.
    pub connections: Connections,
    /// The certificate of the public listener; `None`: it serves HTTP.
    pub tls: Option<TlsFiles>,
    /// The tokens for the admin listener.
    pub tokens: Vec<Token>,
    /// The CAs, in the order of the file.
    pub cas: Vec<CaPolicy>,
    /// The ACME servers that this process is a gateway for.
    pub gateways: Vec<GatewayConfig>,
    /// The revocation lists of CAs.
    pub crls: Vec<CrlConfig>,
    /// The places to which the static files are published.
    pub publish: Vec<PublishConfig>,
    /// The sources of load.
    pub sources: Vec<SourceConfig>,
    /// The status pages on which CAs announce maintenance.
    pub status_pages: Vec<StatusPageConfig>,
    /// The receivers of messages about events.
    pub webhooks: Vec<WebhookConfig>,
}

impl Config {
    /// Parses the text of a configuration file.
    ///
    /// # Errors
    /// All problems, in the order of the text. If it is not valid TOML, only the syntax errors.
    pub fn parse(text: &str) -> Result<Self, Vec<ConfigError>> {
        let mut problems = Problems::of(text);
        let (document, unreadable) = DeTable::parse_recoverable(text);
        if !unreadable.is_empty() {
            for error in &unreadable {
                problems.add_syntax(error);
            }
            return Err(problems.into_found());
        }
        let mut root = Section::root(&document);
        let mut config = Self::without_cas();
        config.read_service(&mut root, &mut problems);
        config.connections = Connections::read(&mut root, &mut problems);
        if let Some(mut section) = root.section("tls", &mut problems) {
            config.tls = tls::read(&mut section, &mut problems);
            section.finish(&mut problems);
        }
        let mut seen = token::Seen::default();
        for mut section in root.sections("token", &mut problems) {
            let token = token::read(&mut section, &mut seen, &mut problems);
            config.tokens.extend(token);
            section.finish(&mut problems);
        }
        let mut seen = ca::Seen::default();
        for mut section in root.sections("ca", &mut problems) {
            let ca = ca::read(&mut section, &mut seen, &mut problems);
            config.cas.push(ca);
            section.finish(&mut problems);
        }
        if !config.strict_issuers && config.ca_named(CaName::DEFAULT).is_none() {
            config.cas.push(CaPolicy::named(CaName::default()));
        }
        for mut section in root.sections("note", &mut problems) {
            note::read(&mut section, &mut config.cas, &mut problems);
            section.finish(&mut problems);
        }
        config.gateways = gateway::all(&mut root, &config.cas, &mut problems);
        config.crls = crl::all(&mut root, &config.cas, &mut problems);
        config.publish = publish::all(&mut root, config.retention_seconds, &mut problems);
        config.sources = source::all(&mut root, &config.cas, &mut problems);
        config.status_pages = status_page::all(&mut root, &config.cas, &mut problems);
        config.webhooks = webhook::all(&mut root, &config.cas, &mut problems);
        root.finish(&mut problems);
        match problems.into_found() {
            found if found.is_empty() => Ok(config),
            found => Err(found),
        }
    }

    /// The index in `cas` of the CA that claims this issuer. If none does, the CA `default` if
    /// unclaimed issuers are accepted, else `None`. If they are accepted, a loaded configuration always
    /// has a CA `default`.
    #[must_use]
    pub fn ca_of(&self, issuer: &KeyIdentifier) -> Option<usize> {
        self.cas
            .iter()
            .position(|ca| ca.issuers.contains(issuer))
            .or_else(|| {
                self.ca_named(CaName::DEFAULT)
                    .filter(|_| !self.strict_issuers)
            })
    }

    /// The index in `cas` of the CA with this name.
    #[must_use]
    pub fn ca_named(&self, name: &str) -> Option<usize> {
        self.cas.iter().position(|ca| ca.name.as_str() == name)
    }
}

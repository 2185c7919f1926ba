//! The configuration as a whole, read from the file section by section.

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

/// What is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the public listener binds, `ADDRESS:PORT` or `unix:/PATH`; default `127.0.0.1:8080`.
    pub listen: String,
    /// Where the admin listener binds, in the same way; default `127.0.0.1:8081`.
    pub admin_listen: String,
    /// The URL under which the world reaches the public listener, without a trailing slash.
    /// `None`: `http://` or, with TLS, `https://` and the address bound; `localhost` on a Unix
    /// socket.
    pub base_url: Option<String>,
    /// `sqlite:PATH` or `postgres://…`; default `sqlite:offpeak.db`. It may hold a password.
    pub database: String,
    /// The file of the certificates in memory, as it is configured: `""` for none.
    pub snapshot: Option<String>,
    /// Whether an issuer that no CA claims is refused; else, by default, it belongs to the CA
    /// `default`.
    pub strict_issuers: bool,
    /// Seconds between publications, 60 or more; default one day.
    pub publish_interval_seconds: i64,
    /// Seconds that observations are kept, a day or more; default 400 days.
    pub retention_seconds: i64,
    /// What one client may take of a listener, and how long a stop takes.
    pub connections: Connections,
    /// The public listener's certificate; `None`: it speaks HTTP.
    pub tls: Option<TlsFiles>,
    /// Who may use the admin listener.
    pub tokens: Vec<Token>,
    /// The CAs, in the order of the file.
    pub cas: Vec<CaPolicy>,
    /// The ACME servers that this process stands in front of.
    pub gateways: Vec<GatewayConfig>,
    /// The lists in which CAs say what they have revoked.
    pub crls: Vec<CrlConfig>,
    /// Where the static tree is kept up to date.
    pub publish: Vec<PublishConfig>,
    /// Where load is seen.
    pub sources: Vec<SourceConfig>,
    /// The status pages on which CAs announce maintenance.
    pub status_pages: Vec<StatusPageConfig>,
    /// Receivers of messages about events.
    pub webhooks: Vec<WebhookConfig>,
}

impl Config {
    /// Reads a configuration file's text.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text; what is wrong as TOML hides what
    /// else may be wrong.
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

    /// The index in `cas` of the CA that claims this issuer; of the CA `default` where none does
    /// and unclaimed issuers are taken; else `None`. Where unclaimed issuers are taken, a loaded
    /// configuration always holds a CA `default`.
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

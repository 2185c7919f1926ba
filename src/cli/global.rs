//! Options of all subcommands. A flag overrides the environment, which overrides the file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use sha2::{Digest, Sha256};

use super::given::{name_of, text_of};
use super::usage::UsageError;
use crate::config::{Config, ConfigError, Scope, Token, base_url, database_url, listen_address};
use crate::domain::demand::permission::Permission;
use crate::engine::Engine;
use crate::engine::clock::SystemClock;
use crate::store::{self, Migrations};
use crate::telemetry::LogFormat;

/// The variable with a token for every scope. There is no flag for it, because every user of the
/// machine can read flags.
const ADMIN_TOKEN: &str = "OFFPEAK_ADMIN_TOKEN";

/// What every subcommand may be told. Flag over environment over file.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Configuration")]
pub struct Global {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "OFFPEAK_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// The address of the public listener, a Unix socket as `unix:PATH`; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        env = "OFFPEAK_LISTEN",
        global = true
    )]
    #[arg(value_parser = listen_address)]
    pub listen: Option<String>,
    /// The address of the admin listener
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        env = "OFFPEAK_ADMIN_LISTEN",
        global = true
    )]
    #[arg(value_parser = listen_address)]
    pub admin_listen: Option<String>,
    /// sqlite:PATH or postgres://…
    // It may contain a password, which neither the help nor clap's error messages may print.
    #[arg(
        long,
        value_name = "URL",
        env = "OFFPEAK_DATABASE",
        hide_env_values = true,
        global = true
    )]
    pub database: Option<String>,
    /// The URL of the public listener for its clients, without a trailing slash
    #[arg(long, value_name = "URL", env = "OFFPEAK_BASE_URL", global = true)]
    #[arg(value_parser = base_url)]
    pub base_url: Option<String>,
    /// The format of logs, json or text; default: text on a terminal, else json
    #[arg(long, value_name = "FORMAT", env = "OFFPEAK_LOG_FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
}

/// The errors of a configuration file.
#[derive(Debug)]
pub struct InvalidConfig {
    /// The file.
    pub file: PathBuf,
    /// The errors, at least one, in the order of the file.
    pub errors: Vec<ConfigError>,
}

impl Global {
    /// The configuration from the file, if there is one, with the overrides of flags and
    /// environment.
    ///
    /// # Errors
    /// [`InvalidConfig`] if the file has errors; otherwise what could not be read, or is
    /// contradictory.
    pub fn config(&self) -> anyhow::Result<Config> {
        self.config_with(admin_token()?.as_deref())
    }

    /// The engine on the configured database, for commands with or without a running service. An
    /// empty database is created.
    pub(super) async fn engine(&self) -> anyhow::Result<Arc<Engine>> {
        let config = self.config()?;
        let store = store::connect(&config.database, Migrations::RefusePending).await?;
        Ok(Engine::open(store, config, Arc::new(SystemClock)).await?)
    }

    fn config_with(&self, admin_token: Option<&str>) -> anyhow::Result<Config> {
        let mut config = self.over(match &self.config {
            Some(file) => read_config(file)?,
            None => Config::default(),
        })?;
        config.tokens.extend(admin_token.map(admin).transpose()?);
        Ok(config)
    }

    /// Applies the overrides of flags and environment, except for tokens.
    pub(super) fn over(&self, mut config: Config) -> anyhow::Result<Config> {
        for (value_given, value) in [
            (&self.listen, &mut config.listen),
            (&self.admin_listen, &mut config.admin_listen),
        ] {
            if let Some(value_given) = value_given {
                value.clone_from(value_given);
            }
        }
        if let Some(value_given) = &self.database {
            config.database = database_url(value_given).map_err(|reason| {
                UsageError(format!("--database or OFFPEAK_DATABASE: {reason}"))
            })?;
        }
        if let Some(value_given) = &self.base_url {
            config.base_url = Some(value_given.clone());
        }
        if config.listeners_collide() {
            bail!(
                "both listeners would bind to {}: give one of them another port",
                config.listen
            );
        }
        Ok(config)
    }
}

/// The token in the environment, which allows every route of an admin listener.
///
/// # Errors
/// It is not text.
pub(super) fn admin_token() -> anyhow::Result<Option<String>> {
    match std::env::var(ADMIN_TOKEN) {
        Ok(token) => Ok(Some(token)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{ADMIN_TOKEN} is not UTF-8"),
    }
}

/// The configuration in a file, or `-` for standard input.
///
/// # Errors
/// [`InvalidConfig`] if it has errors; otherwise why it cannot be read.
pub(super) fn read_config(file: &Path) -> anyhow::Result<Config> {
    Ok(parse_config(file, &config_text(file)?)?)
}

/// The text of a configuration file.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn config_text(file: &Path) -> anyhow::Result<String> {
    text_of(file).with_context(|| format!("cannot read the configuration {}", name_of(file)))
}

/// The configuration in a file's text.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse_config(file: &Path, text: &str) -> Result<Config, InvalidConfig> {
    Config::parse(text).map_err(|errors| {
        let file = file.to_owned();
        InvalidConfig { file, errors }
    })
}

/// Checks the token in the environment. An empty one would admit everyone who sends nothing, so it
/// is rejected; one that is not valid in a header would admit nobody.
fn admin(token: &str) -> anyhow::Result<Token> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("{ADMIN_TOKEN} must be visible ASCII without spaces, and not empty");
    }
    Ok(Token {
        name: ADMIN_TOKEN.to_owned(),
        sha256: Sha256::digest(token).into(),
        scopes: vec![Scope::Admin],
        sources: Permission::default(),
    })
}

impl fmt::Display for InvalidConfig {
    /// One line each, `FILE:LINE: KEY: REASON`, as editors and CI expect.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = self.errors.iter();
        if let Some(error) = errors.next() {
            write!(f, "{}:{error}", self.file.display())?;
        }
        errors.try_for_each(|error| write!(f, "\n{}:{error}", self.file.display()))
    }
}

impl std::error::Error for InvalidConfig {}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn flags_go_over_the_file_and_the_file_over_the_defaults() {
        let file = file("listen = \"h:1\"\nadmin_listen = \"h:2\"\nbase_url = \"http://h\"\n");
        let mut global = Global {
            config: Some(file.path().to_owned()),
            ..Global::default()
        };
        let config = global.config_with(None).unwrap();
        assert_eq!((&*config.listen, &*config.admin_listen), ("h:1", "h:2"));
        assert_eq!(config.database, Config::default().database);
        global.listen = Some("flag:1".to_owned());
        global.database = Some("sqlite:flag".to_owned());
        global.base_url = Some("http://flag".to_owned());
        let config = global.config_with(None).unwrap();
        assert_eq!((&*config.listen, &*config.admin_listen), ("flag:1", "h:2"));
        assert_eq!(config.database, "sqlite:flag");
        assert_eq!(config.base_url.as_deref(), Some("http://flag"));
        assert_eq!(config.tokens, []);
    }

    #[test]
    fn a_wrong_database_is_a_usage_error_that_keeps_its_password() {
        let global = Global {
            database: Some("mysql://u:secret@h/d".to_owned()),
            ..Global::default()
        };
        let error = global.config_with(None).unwrap_err();
        assert!(error.is::<UsageError>());
        assert!(!format!("{error:#}").contains("secret"));
    }

    #[test]
    fn the_environment_s_token_has_every_scope_and_those_of_the_file_stay() {
        let global = Global::default();
        let [token] = &global.config_with(Some("s3cret")).unwrap().tokens[..] else {
            panic!("one token");
        };
        assert_eq!(token.scopes, [Scope::Admin]);
        assert_eq!(token.sha256, *Sha256::digest("s3cret"));
        for unfit in ["", " ", "a b", "é", "x\n"] {
            assert!(global.config_with(Some(unfit)).is_err(), "{unfit:?}");
        }
    }

    #[test]
    fn two_listeners_on_one_address_are_refused_however_they_came_there() {
        let global = Global {
            listen: Some(Config::default().admin_listen),
            ..Global::default()
        };
        let error = global.config_with(None).unwrap_err().to_string();
        assert!(error.contains("both listeners"), "{error}");
        let free_ports = Global {
            listen: Some("127.0.0.1:0".to_owned()),
            admin_listen: Some("127.0.0.1:0".to_owned()),
            ..Global::default()
        };
        assert!(free_ports.config_with(None).is_ok());
    }

    #[test]
    fn an_invalid_file_is_one_line_an_error() {
        let file = file("retention = \"1h\"\n\nx = 1\n");
        let name = file.path().display();
        let error = read_config(file.path()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{name}:1: retention: \"1h\" is shorter than 1d\n{name}:3: x: there is no such key"
            )
        );
    }
}

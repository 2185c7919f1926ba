//! `offpeak token new`: a token, and its configuration block.

use std::fmt;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use sha2::{Digest, Sha256};

use super::exit::Exit;
use super::output::Output;
use crate::config::{Scope, token_name, token_scope};

/// Tokens for the admin listener
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  offpeak token new --name issuance --scope ingest")]
pub(super) struct Tokens {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints a new token, and the configuration block with its hash
    ///
    /// The token is shown this once; keep it where your other secrets are. The block goes into the
    /// configuration file and can be seen by anybody.
    #[command(after_help = "Example:\n  offpeak token new --name issuance --scope ingest")]
    New {
        /// Its name, for logs
        #[arg(long, default_value = "token", value_parser = token_name)]
        name: String,
        /// Its scope: ingest, export for a peer, or admin for everything; may be given twice
        #[arg(long = "scope", default_value = "ingest", value_parser = token_scope)]
        scopes: Vec<Scope>,
        /// Prints a JSON object: token, name, sha256, scopes
        #[arg(long)]
        json: bool,
    },
}

impl Tokens {
    pub(super) fn run(self, output: &mut Output) -> anyhow::Result<Exit> {
        let Command::New { name, scopes, json } = self.command;
        let token = new_token();
        if json {
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
            let sha256 = Hexadecimal(Sha256::digest(&token).into()).to_string();
            let document = serde_json::json!({
                "token": token, "name": name, "sha256": sha256, "scopes": scopes,
            });
            writeln!(output, "{document}")?;
        } else {
            write!(output, "{token}\n\n{}", block(&token, &name, &scopes))?;
        }
        Ok(Exit::Done)
    }
}

/// 32 random octets. 256 bits cannot be guessed, so a plain SHA-256 of the token may be published.
/// The prefix lets scanners for leaked secrets find it.
pub(super) fn new_token() -> String {
    let octets: [u8; 32] = rand::random();
    format!("offpeak_{}", URL_SAFE_NO_PAD.encode(octets))
}

fn block(token: &str, name: &str, scopes: &[Scope]) -> String {
    let sha256 = Hexadecimal(Sha256::digest(token).into());
    let scopes: Vec<String> = scopes
        .iter()
        .map(|scope| format!("{:?}", scope.name()))
        .collect();
    format!(
        "[[token]]\nname = {name:?}\nsha256 = \"{sha256}\"\nscopes = [{}]\n",
        scopes.join(", ")
    )
}

struct Hexadecimal([u8; 32]);

impl fmt::Display for Hexadecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Token};
    use crate::domain::demand::permission::Permission;

    #[test]
    fn the_block_lets_the_token_in() {
        let token = new_token();
        let config = Config::parse(&block(&token, "a-1", &[Scope::Ingest, Scope::Admin])).unwrap();
        let want = Token {
            name: "a-1".to_owned(),
            sha256: Sha256::digest(&token).into(),
            scopes: vec![Scope::Ingest, Scope::Admin],
            sources: Permission::default(),
        };
        assert_eq!(config.tokens, [want]);
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let token = new_token();
        assert_eq!(token.len(), "offpeak_".len() + 43);
        assert_ne!(token, new_token());
    }
}

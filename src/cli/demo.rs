//! `offpeak demo`: the whole service with a fictitious CA, on a database in memory.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use sha2::{Digest as _, Sha256};

use super::demo_load::{demo_ca, go_on, hours, replay};
use super::exit::Exit;
use super::global::Global;
use super::listeners::Listeners;
use super::output::Output;
use super::runtimes::Runtimes;
use super::serve::serve;
use super::token::new_token;
use super::usage::UsageError;
use crate::config::{Config, Scope, SourceKind, Token, contact};
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::certificate::names::Names;
use crate::domain::certificate::{Submission, Validity};
use crate::domain::demand::permission::Permission;
use crate::domain::math::number::real;
use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::{DAY, HOUR, Timestamp};
use crate::engine::Engine;
use crate::engine::clock::SystemClock;
use crate::store::{self, Migrations};

/// The default configuration for `--ct`.
const LETSENCRYPT: &str = include_str!("../../static/letsencrypt.toml");

/// The number of certificates registered over the last sixty days, in the shape of the load.
const CERTIFICATES: i64 = 5_000;

/// The example of RFC 9773 section 4.1, registered as if issued now.
const EXAMPLE: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

/// See it work: a sample CA in memory, some thousand certificates, four weeks of load, served
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  offpeak demo --listen 127.0.0.1:8080
  offpeak demo --ct --contact mailto:ops@example.org

--ct asks the logs of Certificate Transparency on the internet, within 200 MB a day; --config FILE takes
another configuration in the place of the one that comes with the program.")]
pub(super) struct Demo {
    /// The real map of Let's Encrypt, from Certificate Transparency, instead of the sample
    #[arg(long)]
    ct: bool,
    /// Your address for the logs' operators
    #[arg(long, value_name = "mailto:…|URL", requires = "ct", value_parser = contact)]
    contact: Option<String>,
    /// Print the configuration for --ct, and exit
    #[arg(long, conflicts_with = "ct")]
    print_ct_config: bool,
}

impl Demo {
    pub(super) fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        if self.print_ct_config {
            output.write_all(LETSENCRYPT.as_bytes())?;
            return Ok(Exit::Done);
        }
        if self.ct {
            return certificate_transparency(global, self.contact.as_deref(), output);
        }
        Runtimes::start()?.run(async |runtimes| {
            let flags = Global {
                config: None,
                ..global.clone()
            };
            let token = new_token();
            let config = config(flags.config()?, &token)?;
            let listeners = Listeners::bind(&config, runtimes).await?;
            let (public, admin) = listeners.urls()?;
            let engine = runtimes.work().spawn(sample(config)).await??;
            let greeting = greeting(&public, &admin, &token);
            serve(&engine, listeners, runtimes, output, &greeting).await?;
            Ok(Exit::Done)
        })
    }
}

/// Serves a map made from Certificate Transparency logs, from memory.
fn certificate_transparency(
    global: &Global,
    contact: Option<&str>,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut config = match &global.config {
        Some(_) => global.config()?,
        None => global.over(Config::parse(LETSENCRYPT).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the bundled configuration: {}", faults.join("; "))
        })?)?,
    };
    "sqlite::memory:".clone_into(&mut config.database);
    config.snapshot = None;
    for source in &mut config.sources {
        if let SourceKind::Ct(ct) = &mut source.kind {
            match contact {
                Some(contact) => contact.clone_into(&mut ct.contact),
                None if global.config.is_some() => {}
                None => {
                    let why = "--ct asks others' servers: say by --contact whom they may write to";
                    return Err(UsageError(why.to_owned()).into());
                }
            }
        }
    }
    let token = new_token();
    config.tokens.push(Token {
        name: "demo".to_owned(),
        sha256: Sha256::digest(&token).into(),
        scopes: vec![Scope::Admin],
        sources: Permission::default(),
    });
    Runtimes::start()?.run(async |runtimes| {
        let listeners = Listeners::bind(&config, runtimes).await?;
        let (public, admin) = listeners.urls()?;
        let opening = async move {
            let store = store::connect(&config.database, Migrations::Apply).await?;
            anyhow::Ok(Engine::open(store, config, Arc::new(SystemClock)).await?)
        };
        let engine = runtimes.work().spawn(opening).await??;
        let greeting = [
            String::new(),
            "Certificate Transparency is read; the first hours are on the map within minutes."
                .into(),
            format!("  the demand map       {public}/"),
            format!("  how far it has come  curl -s {public}/v1/status"),
            format!("  the metrics          curl -s {admin}/metrics"),
            "Ctrl-C ends it; nothing is kept.".into(),
        ];
        serve(&engine, listeners, runtimes, output, &greeting).await?;
        Ok(Exit::Done)
    })
}

/// The engine of the sample CA.
async fn sample(config: Config) -> anyhow::Result<Arc<Engine>> {
    let store = store::connect(&config.database, Migrations::Apply).await?;
    let engine = Engine::open(store, config, Arc::new(SystemClock)).await?;
    let loaded_until = replay(&engine).await?;
    register(&engine).await?;
    tokio::spawn(go_on(Arc::clone(&engine), loaded_until));
    Ok(engine)
}

fn greeting(public: &str, admin: &str, token: &str) -> Vec<String> {
    [
        String::new(),
        "A sample CA with four weeks of load and five thousand certificates, all in memory. The load is made up,".into(),
        "and goes on minute by minute.".into(),
        format!("  the demand map       {public}/"),
        format!("  the ranking          curl -s {public}/ranking.json"),
        format!("  when to come         curl -s '{public}/v1/best-time?format=cron'"),
        format!("  a renewal window     curl -si {public}/renewal-info/{EXAMPLE}"),
        format!("  why this window      curl -s -H 'Authorization: Bearer {token}' {admin}/v1/certificates/{EXAMPLE}"),
        format!("  one of your own      curl -s -H 'Authorization: Bearer {token}' --data-binary @cert.pem -H 'Content-Type: application/pem-certificate-chain' {admin}/v1/certificates"),
        format!("  the metrics          curl -s {admin}/metrics"),
        format!("  the operator's page  {admin}/admin, which asks for the token {token}"),
        "Ctrl-C ends it; nothing is kept.".into(),
    ]
    .into()
}

fn config(flags: Config, token: &str) -> anyhow::Result<Config> {
    let ca = CaPolicy {
        issuers: vec![example()?.key_identifier],
        backdate_seconds: 3_510,
        ..CaPolicy::named(demo_ca())
    };
    Ok(Config {
        database: "sqlite::memory:".to_owned(),
        strict_issuers: false,
        tokens: vec![Token {
            name: "demo".to_owned(),
            sha256: Sha256::digest(token).into(),
            scopes: vec![Scope::Admin],
            sources: Permission::default(),
        }],
        cas: [vec![ca], flags.cas].concat(),
        ..flags
    })
}

fn example() -> anyhow::Result<CertId> {
    EXAMPLE.parse().context("the RFC's example is a CertID")
}

/// Registers certificates over the last sixty days in proportion to each hour's load, and the RFC's
/// example as if it were issued now.
async fn register(engine: &Engine) -> anyhow::Result<()> {
    let hours = hours()?;
    let now = engine.now();
    let key_identifier = example()?.key_identifier;
    let week: u64 = hours.iter().map(|(attempts, _)| attempts).sum();
    let per_attempt =
        f64::from(u32::try_from(CERTIFICATES)?) / real(i64::try_from(week)?) * 7.0 / 60.0;
    let mut submissions = vec![submission(example()?, now)];
    let mut owed = 0.0;
    for hour in (now - 60 * DAY).slot(HOUR)..now.slot(HOUR) {
        let from = Timestamp::from_unix(hour * HOUR);
        let (attempts, _) = hours[usize::try_from(from.second_of_week() / HOUR)?];
        owed += per_attempt * real(i64::try_from(attempts)?);
        while owed >= 1.0 {
            owed -= 1.0;
            let second = rand::random_range(0..HOUR);
            let id = serial(&key_identifier, submissions.len())?;
            submissions.push(submission(id, from + second));
        }
    }
    engine.register(&submissions, None).await?;
    Ok(())
}

/// A serial as CAs make them: positive, 16 octets.
fn serial(key_identifier: &KeyIdentifier, n: usize) -> anyhow::Result<CertId> {
    let mut octets = Sha256::digest(n.to_be_bytes());
    octets[0] = 0x04;
    Ok(CertId {
        key_identifier: key_identifier.clone(),
        serial: Serial::new(&octets[..16])?,
    })
}

fn submission(id: CertId, issued_at: Timestamp) -> Submission {
    let not_before = issued_at - 3_510;
    Submission {
        id,
        validity: Validity {
            not_before,
            not_after: not_before + (90 * DAY - 1),
        },
        issued_at: Some(issued_at),
        replaces: None,
        names: Names::default(),
    }
}

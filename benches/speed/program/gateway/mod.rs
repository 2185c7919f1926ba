//! The gateway: beside nginx, and under more than its upstream bears.

use std::net::SocketAddr;

use anyhow::Context as _;
use offpeak::domain::math::number::real;

use super::figures::Figures;
use super::http::Page;
use super::nginx::{self, Nginx, Processes};
use super::process::{Core, Process, on, output_of};
use super::rows::Part;
use super::setup::{Setup, free_address};

pub(super) mod client;
mod front;
mod overload;
pub(super) mod rows;
mod upstream;

use client::{TlsLoad, TlsOutcome};
use front::Front;

/// Clients at once, each on a connection that it keeps.
const CONNECTIONS: u32 = 64;

/// The share of the maximum rate at which latencies are compared.
const TENTH: f64 = 0.1;

/// All of it.
pub(super) fn measure(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    beside_nginx(setup, figures)?;
    overload::overload(setup, figures)?;
    overload::spike(setup, figures)?;
    overload::held(setup, figures)
}

/// Signed requests for an authorization, by both, to the same upstream.
fn beside_nginx(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let behind = Nginx::start(
        on(Core::Generator, &nginx::path()),
        &setup.path("gateway-upstream"),
        Processes::MasterAndWorker,
        free_address()?,
        &nginx::returning(&authorization()),
    )?;
    let front = Front::start(setup, "gateway", behind.address, "")?;
    let theirs = Nginx::proxy(
        &setup.path("nginx-proxy"),
        free_address()?,
        behind.address,
        &front.certificate,
        &front.key,
    )?;
    let sides: [(&Process, SocketAddr); 2] = [
        (&front.offpeak.process, front.address),
        (&theirs.process, theirs.address),
    ];
    let load = |address, rate| TlsLoad {
        address,
        certificate: front.certificate.clone(),
        connections: CONNECTIONS,
        seconds: setup.size.round_seconds,
        rate,
    };
    let (mut rates, mut by_cpu) = ([vec![], vec![]], [vec![], vec![]]);
    let mut generators = Vec::new();
    for _ in 0..setup.size.rounds {
        for (at, (process, address)) in sides.iter().enumerate() {
            let before = process.cpu_seconds();
            let outcome = ask(&load(*address, None))?;
            let used = process.cpu_seconds() - before;
            rates[at].push(count(outcome.answers) / outcome.seconds);
            by_cpu[at].push(count(outcome.answers_in_all) / used);
            generators.push(outcome.cpu_seconds / outcome.seconds);
        }
    }
    figures.put("gateway_requests", &rates[0])?;
    figures.put("nginx_proxied", &rates[1])?;
    figures.put_ratios("gateway_to_nginx_by_cpu", &by_cpu[0], &by_cpu[1])?;
    let most = figures.median("gateway_requests").unwrap_or(f64::NAN);
    let mut p99 = [vec![], vec![]];
    for _ in 0..setup.size.rounds {
        for (at, (_, address)) in sides.iter().enumerate() {
            p99[at].push(ask(&load(*address, Some(most * TENTH)))?.p99_micros);
        }
    }
    let added = p99[0].iter().zip(&p99[1]);
    let added: Vec<f64> = added.map(|(ours, theirs)| (ours - theirs) / 1e3).collect();
    figures.put("gateway_p99", &p99[0])?;
    figures.put("nginx_proxied_p99", &p99[1])?;
    figures.put("gateway_p99_added", &added)?;
    let generators = super::figures::median(&generators).unwrap_or(f64::NAN);
    figures.note(
        Part::Gateway,
        format!(
            "{CONNECTIONS} connections; the generator, on whose core the upstream is too, used {:.0} % of it. \
             Latencies at {:.0} requests/s.",
            100.0 * generators,
            most * TENTH
        ),
    );
    Ok(())
}

/// Runs a generator as a process of its own, on its core.
fn ask(load: &TlsLoad) -> anyhow::Result<TlsOutcome> {
    let program = std::env::current_exe()?;
    let program = program.to_str().context("a path that is no text")?;
    let printed = output_of(
        on(Core::Generator, program)
            .arg("tls-load")
            .arg(serde_json::to_string(load)?),
    )?;
    Ok(serde_json::from_str(&printed)?)
}

/// An authorization that is valid, as Boulder writes it.
fn authorization() -> Page {
    let body = serde_json::json!({
        "identifier": {"type": "dns", "value": "www.example.com"}, "status": "valid",
        "expires": "2026-12-28T00:00:00Z",
        "challenges": [{
            "type": "http-01", "status": "valid", "validated": "2026-11-28T00:00:00Z",
            "url": "https://acme.example/acme/chall/1234567/8901234567/AbCdEf",
            "token": "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA",
            "validationRecord": [{
                "url": "http://www.example.com/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA",
                "hostname": "www.example.com", "port": "80", "addressesResolved": ["192.0.2.7"],
                "addressUsed": "192.0.2.7",
            }],
        }],
    });
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Page {
        status: 200,
        headers: vec![
            header("content-type", "application/json"),
            header("replay-nonce", "MTIzNDU2Nzg5MDEyMzQ1Ng"),
            header("cache-control", "public, max-age=0, no-cache"),
        ],
        body: body.to_string().into_bytes(),
    }
}

fn count(of: u64) -> f64 {
    real(i64::try_from(of).unwrap_or(i64::MAX))
}

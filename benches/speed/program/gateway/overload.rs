//! More new orders than the upstream bears: for a minute, in one second, and as many as are held.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use offpeak::domain::math::number::real_len;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsConnector;

use super::super::figures::Figures;
use super::super::process::most_open_files;
use super::super::rows::Part;
use super::super::setup::Setup;
use super::client::{Client, connector};
use super::front::Front;
use super::upstream::Upstream;

/// What the upstream bears, in new orders a second. Ten times that are 500 TLS handshakes a second, which a
/// core does beside the rest.
const CAPACITY: u32 = 50;

/// How long the overload lasts, and with `--quick`.
const SECONDS: u32 = 60;
const QUICK_SECONDS: u32 = 10;

/// Requests held at once, and with `--quick`: one socket is open for each in the gateway's process, and one
/// in this one.
const HELD: u32 = 20_000;
const QUICK_HELD: u32 = 1_000;

/// Sockets and files that either process has open beside them, some 100, and as many again to be safe.
const OTHER_FILES: u64 = 200;

/// How many connect at once while all get held.
const AT_ONCE: u32 = 50;

/// Held for up to ten minutes: its connections are kept alive by `curl`.
const PATIENT: &str = "acme.sh/3.1 (https://github.com/acmesh-official/acme.sh)";

/// Enough of them a second that the last of all that are held goes within ten minutes.
const PATIENT_A_SECOND: u32 = 40;

/// How long it is waited until all are held that are to be.
const HELD_WITHIN: Duration = Duration::from_mins(2);

/// What became of clients.
#[derive(Debug, Default)]
struct Seen {
    completed: usize,
    /// Orders that were made and came to no certificate.
    stopped: usize,
    /// By the second of the run in which they are to come again.
    assigned: BTreeMap<u64, usize>,
    /// Answers that are neither an order nor a 503 with its second.
    odd: Vec<String>,
    last_served: Duration,
}

type Shared = Arc<Mutex<Seen>>;

/// Ten times what the upstream bears.
pub(super) fn overload(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let seconds = if setup.size.is_quick() {
        QUICK_SECONDS
    } else {
        SECONDS
    };
    let runtime = Runtime::new()?;
    let upstream = runtime.block_on(Upstream::start())?;
    let limit = format!("new_orders_per_second = {CAPACITY}");
    let front = Front::start(setup, "gateway-overload", upstream.address, &limit)?;
    let over = Duration::from_secs(seconds.into());
    let seen = runtime.block_on(come(&front, 10 * CAPACITY * seconds, over))?;
    let admitted = seen.completed + seen.stopped;
    ensure!(admitted > 0, "nobody was admitted: {:?}", seen.odd.first());
    let capacity = f64::from(CAPACITY);
    let assigned: usize = seen.assigned.values().sum();
    let most_told = seen.assigned.values().max().copied().unwrap_or(0);
    let completed = 100.0 * real_len(seen.completed) / real_len(admitted);
    figures.put("overload_completed", &[completed])?;
    figures.put("overload_500", &[real_len(seen.odd.len())])?;
    let most = real_len(upstream.most_in_a_second());
    figures.put("overload_upstream", &[most / capacity])?;
    let bound = 1.1 * capacity + 3.0 * capacity.sqrt();
    figures.put("overload_returns", &[real_len(most_told) / bound])?;
    figures.note(
        Part::Gateway,
        format!(
            "Overload: {} new orders within {seconds} s to an upstream that bears {CAPACITY} a second; {admitted} \
             were admitted, {assigned} told a second, {} of them the same at most.{}",
            10 * CAPACITY * seconds,
            most_told,
            seen.odd.first().map(|odd| format!(" The first odd answer: {odd}.")).unwrap_or_default(),
        ),
    );
    Ok(())
}

/// As many as the upstream bears in 15 s, within one.
pub(super) fn spike(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let upstream = runtime.block_on(Upstream::start())?;
    let limit = format!("new_orders_per_second = {CAPACITY}");
    let front = Front::start(setup, "gateway-spike", upstream.address, &limit)?;
    let seen = runtime.block_on(come(&front, 15 * CAPACITY, Duration::from_secs(1)))?;
    let assigned: usize = seen.assigned.values().sum();
    figures.put("spike_turned_away", &[real_len(assigned + seen.odd.len())])?;
    figures.put("spike_last", &[seen.last_served.as_secs_f64()])?;
    if let Some(odd) = seen.odd.first() {
        let odd_count = seen.odd.len();
        let note = format!("Spike: {odd_count} came to nothing, the first by: {odd}.");
        figures.note(Part::Gateway, note);
    }
    Ok(())
}

/// Memory for each request that is held, and for each connection that is idle.
pub(super) fn held(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let wanted = if setup.size.is_quick() {
        QUICK_HELD
    } else {
        HELD
    };
    let places = most_open_files().saturating_sub(OTHER_FILES);
    let count = wanted.min(u32::try_from(places).unwrap_or(u32::MAX));
    let runtime = Runtime::new()?;
    let upstream = runtime.block_on(Upstream::start())?;
    let limit = format!(
        "new_orders_per_second = {PATIENT_A_SECOND}\nheld = {}",
        count + AT_ONCE
    );
    let front = Front::start(setup, "gateway-held", upstream.address, &limit)?;
    let process = &front.offpeak.process;
    let connector = connector(&front.certificate)?;
    let before = process.resident_octets();
    let idle = runtime.block_on(connect(&connector, &front, count / 4))?;
    let idle_octets = (process.resident_octets() - before) / f64::from(count / 4);
    drop(idle);
    let before = process.resident_octets();
    runtime.block_on(hold(&connector, &front, count))?;
    let held = runtime.block_on(held_now(&front, count))?;
    let held_octets = (process.resident_octets() - before) / held;
    figures.put("held_memory", &[held_octets / 1e3])?;
    figures.put("idle_memory", &[idle_octets / 1e3])?;
    figures.note(
        Part::Gateway,
        format!(
            "{held:.0} requests held, of {wanted} that were to be; {} connections were idle before, and what \
             they left to the allocator is not in the memory of those held.",
            count / 4
        ),
    );
    Ok(())
}

/// So many clients of their own come evenly within a time, and do as they are told.
async fn come(front: &Front, count: u32, within: Duration) -> anyhow::Result<Seen> {
    let connector = connector(&front.certificate)?;
    let seen = Shared::default();
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for n in 0..count {
        let (connector, address, seen) = (connector.clone(), front.address, Arc::clone(&seen));
        let comes = begun + within.mul_f64(f64::from(n) / f64::from(count));
        clients.spawn(async move {
            sleep_until(comes).await;
            let outcome = async {
                let mut client = Client::connect(&connector, address).await?;
                order(&mut client, n, begun, &seen).await
            };
            if let Err(error) = outcome.await {
                of(&seen, |seen| seen.odd.push(format!("{error:#}")));
            }
        });
    }
    while clients.join_next().await.is_some() {}
    let seen = Arc::into_inner(seen).context("a client is there still")?;
    Ok(seen.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One client: an order, and what follows it.
async fn order(client: &mut Client, n: u32, begun: Instant, seen: &Shared) -> anyhow::Result<()> {
    let payload = format!(r#"{{"identifiers":[{{"type":"dns","value":"a{n}.example"}}]}}"#);
    let answer = client
        .post("/new-order", &payload, Some(n), "bench")
        .await?;
    let after = answer.headers.get("retry-after");
    let after: Option<u64> = after.and_then(|after| after.to_str().ok()?.parse().ok());
    match (answer.status.as_u16(), after) {
        (201, _) => {
            of(seen, |seen| {
                seen.last_served = seen.last_served.max(begun.elapsed());
            });
            let mut failed = false;
            for path in ["/order/1", "/finalize/1", "/certificate/1"] {
                let answer = client.post(path, "", Some(n), "bench").await;
                failed |= answer.map_or(true, |answer| answer.status != 200);
            }
            of(seen, |seen| {
                let became = if failed {
                    &mut seen.stopped
                } else {
                    &mut seen.completed
                };
                *became += 1;
            });
        }
        (503, Some(after)) => {
            let second = begun.elapsed().as_secs() + after;
            of(seen, |seen| *seen.assigned.entry(second).or_default() += 1);
        }
        (status, _) => of(seen, |seen| seen.odd.push(status.to_string())),
    }
    Ok(())
}

/// Connections that have had an answer each.
async fn connect(
    connector: &TlsConnector,
    front: &Front,
    count: u32,
) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::new();
    for from in 0..count {
        let mut client = Client::connect(connector, front.address).await?;
        client.post("/order/1", "", Some(from), PATIENT).await?;
        clients.push(client);
    }
    Ok(clients)
}

/// Has so many requests held; they go with the runtime.
async fn hold(connector: &TlsConnector, front: &Front, count: u32) -> anyhow::Result<()> {
    let address = front.address;
    let mut connecting = JoinSet::new();
    for n in 0..count {
        if connecting.len() >= usize::try_from(AT_ONCE)? {
            connecting.join_next().await.context("one connects")???;
        }
        let connector = connector.clone();
        connecting.spawn(async move {
            let mut client = Client::connect(&connector, address).await?;
            let payload = format!(r#"{{"identifiers":[{{"type":"dns","value":"h{n}.example"}}]}}"#);
            tokio::spawn(async move {
                // It is held, or goes with the runtime; an answer is nobody's concern here.
                let _ = client.post("/new-order", &payload, Some(n), PATIENT).await;
            });
            anyhow::Ok(())
        });
    }
    while let Some(connected) = connecting.join_next().await {
        connected??;
    }
    Ok(())
}

/// How many are held, once they are as many as there can be.
async fn held_now(front: &Front, count: u32) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut before = 0.0;
    loop {
        // The gateway tells it every five seconds.
        tokio::time::sleep(Duration::from_secs(6)).await;
        let held = front.offpeak.counter("offpeak_gateway_held")?;
        if held >= 0.9 * f64::from(count) || held > 0.0 && held < before {
            return Ok(held);
        }
        ensure!(begun.elapsed() < HELD_WITHIN, "{held} of {count} are held");
        before = held;
    }
}

fn of(seen: &Shared, change: impl FnOnce(&mut Seen)) {
    change(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
}

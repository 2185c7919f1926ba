//! Random CertIDs that nobody registered, at half of what the server can do, with valid ones beside
//! them; on PostgreSQL, where a miss asks the store.

use offpeak::domain::math::number::real;

use super::figures::Figures;
use super::load::{Ask, Expect, Load, Outcome, Stream};
use super::postgres;
use super::process::{Core, output_of};
use super::registry::Columns;
use super::rows::Part;
use super::service::{self, Offpeak};
use super::setup::Setup;
use super::side::{Side, generate, most, seed};

/// For the unknown ones: enough to ask for half of the maximum rate, though 64 of them wait up to
/// 10 ms. And for the valid ones: their clients are many, and none waits for another's answer.
const CONNECTIONS: usize = 256;

pub(super) fn flood(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let rows = setup.size.imported;
    let csv = setup.csv("flood.csv", rows, Columns::IdFirst)?;
    let database = postgres::database(&setup.postgres, "offpeak_flood")?;
    let database = service::migrated(&database)?;
    output_of(service::import(Core::Any, &database).arg(&csv))?;
    let server = Offpeak::start(&database, &setup.path("flood"))?;
    let side = Side {
        process: &server.process,
        address: server.public,
        ask: Ask::Registered(rows),
        expect: Expect::window(),
        // As many as are open in the flood: with more of them, any server's maximum is lower.
        connections: 2 * CONNECTIONS,
    };
    let [rates] = most(std::slice::from_ref(&side).try_into()?, &setup.size)?;
    let most = rates.median();
    let load = |seconds, seed| Load {
        address: server.public,
        warm_up_seconds: 0.0,
        seconds,
        most_requests: None,
        streams: vec![
            Stream {
                ask: Ask::Unknown,
                expect: Expect::refusal(&[404, 503]),
                connections: CONNECTIONS,
                rate: Some(most / 2.0),
                seed,
            },
            Stream {
                connections: CONNECTIONS,
                ..side.stream(Some(most / 10.0), seed)
            },
        ],
    };
    let seconds = setup.size.flood_seconds;
    generate(&load(seconds / 3.0, 0))?;
    let before = server.process.resident_octets();
    let queries_before = server.counter("offpeak_store_queries_total")?;
    let mut rounds = Rounds::default();
    for round in 1..=setup.size.rounds {
        let seconds = seconds * 2.0 / 3.0 / count(setup.size.rounds);
        rounds.add(&generate(&load(seconds, seed(round)))?)?;
    }
    let after = server.process.resident_octets();
    let queries = server.counter("offpeak_store_queries_total")? - queries_before;
    figures.put("flood_unknown", &rounds.not_found)?;
    figures.put("flood_busy", &rounds.busy)?;
    figures.put("flood_valid_p99", &rounds.valid_p99_millis)?;
    figures.put("flood_memory", &[after / before])?;
    figures.put("flood_queries", &[queries / rounds.asked])?;
    figures.note(
        Part::Flood,
        format!(
            "{rows} certificates; over {CONNECTIONS} connections each, {:.0} unknown and {:.0} \
             valid ones a second were asked for, of at most {most:.0} over {}; {queries:.0} \
             queries; {:.0} MB resident at the end.",
            most / 2.0,
            most / 10.0,
            2 * CONNECTIONS,
            after / 1e6
        ),
    );
    Ok(())
}

/// What came of each round.
#[derive(Debug, Default)]
struct Rounds {
    /// Answers with 404 a second.
    not_found: Vec<f64>,
    /// Answers with 503 a second.
    busy: Vec<f64>,
    valid_p99_millis: Vec<f64>,
    /// Unknown ones answered, altogether.
    asked: f64,
}

impl Rounds {
    fn add(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        let [unknown, valid] = &outcome.streams[..] else {
            anyhow::bail!("two streams were asked for, {} came", outcome.streams.len());
        };
        let [not_found, busy] = [unknown.by_status[0], unknown.by_status[1]].map(count);
        self.not_found.push(not_found / outcome.elapsed_seconds);
        self.busy.push(busy / outcome.elapsed_seconds);
        self.valid_p99_millis.push(valid.p99_micros / 1e3);
        self.asked += not_found + busy;
        Ok(())
    }
}

fn count<T: TryInto<i64>>(of: T) -> f64 {
    real(of.try_into().unwrap_or(i64::MAX))
}

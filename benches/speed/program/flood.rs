//! Random CertIDs that nobody registered, at half of what the server can do, with valid ones beside
//! them; on PostgreSQL, where a miss asks the store.

use offpeak::domain::number::real;

use super::figures::Figures;
use super::load::{Ask, Expect, Load, Stream};
use super::postgres;
use super::process::{Core, output_of};
use super::registry::Columns;
use super::rows::Part;
use super::service::{self, Offpeak};
use super::setup::Setup;
use super::side::{Side, generate, most};

/// Enough of them to ask for what half of the maximum rate is, though 64 of them wait up to 10 ms.
const FLOODING: usize = 512;

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
                connections: FLOODING,
                rate: Some(most / 2.0),
                seed,
            },
            side.stream(Some(most / 10.0), seed),
        ],
    };
    let seconds = setup.size.flood_seconds;
    generate(&load(seconds / 3.0, 1))?;
    let before = server.process.resident_octets();
    let queries_before = server.counter("offpeak_store_queries_total")?;
    let outcome = generate(&load(seconds * 2.0 / 3.0, 2))?;
    let after = server.process.resident_octets();
    let queries = server.counter("offpeak_store_queries_total")? - queries_before;
    let [unknown, valid] = &outcome.streams[..] else {
        anyhow::bail!("two streams were asked for, {} came", outcome.streams.len());
    };
    let count = |n: u64| real(i64::try_from(n).unwrap_or(i64::MAX));
    let [not_found, busy] = [unknown.by_status[0], unknown.by_status[1]].map(count);
    figures.put("flood_unknown", &[not_found / outcome.elapsed_seconds])?;
    figures.put("flood_busy", &[busy / outcome.elapsed_seconds])?;
    figures.put("flood_valid_p99", &[valid.p99_micros / 1e3])?;
    figures.put("flood_memory", &[after / before])?;
    figures.put("flood_queries", &[queries / (not_found + busy)])?;
    figures.note(
        Part::Flood,
        format!(
            "{rows} certificates; {:.0} unknown and {:.0} valid ones a second were asked for, of at \
             most {most:.0}; {queries:.0} queries; {:.0} MB resident at the end.",
            most / 2.0,
            most / 10.0,
            after / 1e6
        ),
    );
    Ok(())
}

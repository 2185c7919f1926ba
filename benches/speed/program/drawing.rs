//! Windows a second on one core: the allocation that a registration calls, through the crate's own
//! interface, without the store.

use offpeak::domain::allocation::allocator::{Allocator, Draw, Drawn};
use offpeak::domain::certificate::Validity;
use offpeak::domain::certificate::certid::CertId;
use offpeak::domain::certificate::hash::{HashKey, Purpose};
use offpeak::domain::client::schedule::Schedule;
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::ledger::{Booking, Expected};
use offpeak::domain::math::number::real_len;
use offpeak::domain::policy::ca::{CaName, CaPolicy};
use offpeak::domain::time::{HOUR, Timestamp};

use super::figures::Figures;
use super::process::thread_seconds;
use super::registry::cert_id;
use super::rows::Part;
use super::setup::Setup;

/// A 90-day certificate, from its first second to its last.
const LIFE_SECONDS: i64 = 7_775_999;
/// Windows of a round: some tens of tables are made meanwhile, as in a minute of a large CA.
const WINDOWS: u64 = 1_000_000;

pub(super) fn allocation(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let now = Timestamp::from_unix(i64::try_from(setup.began)?);
    let windows = WINDOWS.min(setup.size.certificates);
    let ids = (0..windows)
        .map(|row| String::from_utf8_lossy(&cert_id(row)).parse())
        .collect::<Result<Vec<CertId>, _>>()?;
    let mut rounds = Vec::new();
    for _ in 0..setup.size.rounds {
        rounds.push(drawn_a_second(&ids, now)?);
    }
    figures.put("windows_drawn", &rounds)?;
    figures.note(
        Part::Allocation,
        format!(
            "{windows} certificates of 90 days, issued over an hour, each round on empty books."
        ),
    );
    Ok(())
}

fn drawn_a_second(ids: &[CertId], from: Timestamp) -> anyhow::Result<f64> {
    let policy = CaPolicy::named("speed".parse::<CaName>()?);
    let profile = Profile::learn(&Series::default(), from, policy.slot_seconds, &[]);
    let key = HashKey::new([7; 16]);
    let mut drawing = Allocator::default();
    let before = thread_seconds()?;
    for (at, id) in (0..).zip(ids) {
        // The hour in which they are issued goes by evenly.
        let now = from + at * HOUR / i64::try_from(ids.len())?;
        let validity = Validity {
            not_before: now,
            not_after: now + LIFE_SECONDS,
        };
        let draw = Draw {
            policy: &policy,
            profile: &profile,
            now,
            schedule: Schedule::Unknown,
            certificates: 1,
        };
        let hash = key.hash(Purpose::Window1, id, 0);
        let Drawn {
            window,
            basis,
            table,
            follows,
            ..
        } = drawing.draw(draw, validity, now, hash)?;
        if let Some(table) = table {
            // As after the first step that stored it.
            drawing.durable(&[table.number]);
        }
        drawing.ledger.book(&Booking {
            window,
            issued_at: now,
            life_seconds: validity.life_seconds(),
            expected: Expected::first(follows, basis),
        });
    }
    Ok(real_len(ids.len()) / (thread_seconds()? - before))
}

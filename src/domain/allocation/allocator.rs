//! The allocator of one CA: its ledger, the tables in use, and the drawing of windows from them.

use std::collections::HashMap;
use std::sync::Arc;

use super::band::{Arrival, BandError, Place, place};
use super::doubt::Doubt;
pub use super::draw::{Draw, DrawPlan, DrawSource, Drawn};
use super::plan::{Forecast, TABLE_LIFE_SECONDS, make};
use super::table::{StoredTable, Table};
use super::window::{for_tick, in_span, last_tick, open_part};
use crate::allocation::slots::SlotRange;
use crate::certificate::hash::middle_unit;
use crate::certificate::life_class;
use crate::certificate::{Basis, Validity};
use crate::client::schedule::Schedule;
use crate::ledger::{Ledger, ScheduleMix, TickShares};
use crate::math::number::real;
use crate::policy::ca::CaPolicy;
use crate::policy::capacity::closed_within;
use crate::time::timeline::GRAIN_SECONDS;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// The most slots that all tables in use may have together. Tables of 24 slots, one for each hour of 90
/// days, have 51,840; tables for other lifetimes and slot lengths come on top. A slot takes about 160
/// bytes, text included, so this limit is 170 MB.
const MOST_SLOTS_HELD: usize = 1 << 20;

/// The state from which the windows of one CA are allocated.
#[derive(Debug, Default)]
pub struct Allocator {
    /// The load that windows have promised, and the expected returns.
    pub ledger: Ledger,
    /// The policy that the tables were made under.
    policy: Option<CaPolicy>,
    tables: HashMap<Key, Active>,
    /// The doubted load of windows that were drawn for late certificates.
    doubt: Doubt,
    /// Slots of all tables together.
    slots_held: usize,
    /// f for certificates issued now, and φ, with the time at which they were measured.
    follows: Option<(Timestamp, Follows)>,
    /// How clients with unknown schedules wake, with the time at which that was measured.
    schedule_mix: Option<(Timestamp, ScheduleMix)>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Key {
    arrival: Arrival,
    range: SlotRange,
    life_class: i64,
}

#[derive(Debug)]
struct Active {
    table: Arc<Table>,
    stored: StoredTable,
    made_at: Timestamp,
    left: u64,
    durable: bool,
}

/// f at registration, by how the certificate arrived.
#[derive(Clone, Copy, Debug)]
struct Follows {
    fresh: f64,
    late: f64,
    ticking: TickShares,
}

impl Follows {
    const fn of(self, arrival: Arrival) -> Option<f64> {
        match arrival {
            Arrival::Fresh => Some(self.fresh),
            Arrival::Late => Some(self.late),
            Arrival::Past => None,
        }
    }
}

impl Allocator {
    /// Drops all tables and measurements if the policy has changed. Each draw checks this, because a
    /// draw that began under the old policy may finish after the change.
    fn adopt_policy(&mut self, policy: &CaPolicy) {
        if self.policy.as_ref() != Some(policy) {
            self.clear_tables();
            self.follows = None;
            self.schedule_mix = None;
            self.policy = Some(policy.clone());
        }
    }

    fn clear_tables(&mut self) {
        self.tables.clear();
        self.slots_held = 0;
    }

    /// The number of slots of all tables in use: a measure of their memory.
    #[must_use]
    pub const fn slots_held(&self) -> usize {
        self.slots_held
    }

    /// Marks tables as stored, so that they are not handed to the store again.
    pub fn durable(&mut self, numbers: &[i64]) {
        for active in self.tables.values_mut() {
            active.durable = active.durable || numbers.contains(&active.stored.number);
        }
    }

    /// Draws the window of a certificate whose keyed hash is `hash`. The caller books it in the ledger.
    ///
    /// # Errors
    /// [`BandError`] if the life leaves no room for a window.
    pub fn draw(
        &mut self,
        draw: Draw<'_>,
        validity: Validity,
        issued_at: Timestamp,
        hash: u128,
    ) -> Result<Drawn, BandError> {
        let DrawPlan {
            from,
            follows,
            ticking,
        } = self.plan_draw(draw, validity, issued_at)?;
        let schedule = match draw.schedule {
            Schedule::Unknown => ticking.draw(draw.now, middle_unit(hash)),
            known => known,
        };
        let mut late = false;
        let drawn = match from {
            DrawSource::Table {
                table,
                stored,
                durable,
                ledger,
                last_tick,
            } => {
                late = table.arrival == Arrival::Late;
                let reason = Some(table.reason);
                let load_at_same_tick = ledger.load_at_same_tick(schedule, draw.now);
                match table.tick_for(schedule, load_at_same_tick, last_tick, hash) {
                    Some(tick) => Drawn {
                        window: for_tick(
                            hash,
                            tick,
                            table.window_seconds_for_tick(),
                            validity.not_after,
                        ),
                        basis: Basis::Tick(tick),
                        table: None,
                        reason,
                        follows,
                    },
                    None => Drawn {
                        window: table.window(hash, validity.not_after),
                        basis: Basis::Table(stored.number),
                        table: (!durable).then(|| stored.clone()),
                        reason,
                        follows,
                    },
                }
            }
            DrawSource::Starts {
                starts,
                window_seconds,
                closed,
            } => {
                let (starts, window_seconds) = open_part(hash, starts, window_seconds, &closed);
                Drawn {
                    window: in_span(hash, starts, window_seconds, validity.not_after),
                    basis: Basis::Span(starts),
                    table: None,
                    reason: None,
                    follows,
                }
            }
        };
        if late {
            let doubted = (1.0 - follows.unwrap_or_default())
                * real(draw.certificates.try_into().unwrap_or(i64::MAX));
            self.doubt.add(draw.now, drawn.window, doubted);
        }
        Ok(drawn)
    }

    /// The source from which windows of such certificates are drawn now. `draw.certificates` of them
    /// are counted against the table's quota.
    ///
    /// # Errors
    /// [`BandError`] if the life leaves no room for a window.
    pub fn plan_draw(
        &mut self,
        draw: Draw<'_>,
        validity: Validity,
        issued_at: Timestamp,
    ) -> Result<DrawPlan<'_>, BandError> {
        self.adopt_policy(draw.policy);
        let place = place(draw.policy, validity, issued_at, draw.now)?;
        let shares = self.follows(draw);
        let follows = shares.of(place.arrival());
        let ticking = match place.arrival() {
            Arrival::Fresh => shares.ticking,
            // The time at which these are registered says nothing about when their clients wake.
            Arrival::Late | Arrival::Past => TickShares::default(),
        };
        let from = match place {
            Place::Slots(arrival, range) => {
                let key = Key {
                    arrival,
                    range,
                    life_class: life_class(validity.life_seconds()),
                };
                self.renew_table(key, draw, validity, shares.late);
                let active = self
                    .tables
                    .entry(key)
                    .or_insert_with(|| unreachable!("the table was put in above"));
                active.left = active.left.saturating_sub(draw.certificates);
                DrawSource::Table {
                    table: &active.table,
                    stored: &active.stored,
                    durable: active.durable,
                    ledger: &self.ledger,
                    last_tick: last_tick(draw.policy, validity, issued_at),
                }
            }
            Place::Starts {
                starts,
                window_seconds,
                ..
            } => {
                let reach = Span {
                    from: starts.from,
                    to: starts.to + window_seconds,
                };
                DrawSource::Starts {
                    starts,
                    window_seconds,
                    closed: closed_within(&draw.policy.capacity, reach),
                }
            }
        };
        Ok(DrawPlan {
            from,
            follows,
            ticking,
        })
    }

    /// f, measured again as often as tables are made.
    fn follows(&mut self, draw: Draw<'_>) -> Follows {
        // Certificates of another five minutes are another crowd.
        let same_crowd = |at: Timestamp| at.slot(GRAIN_SECONDS) == draw.now.slot(GRAIN_SECONDS);
        if let Some((at, follows)) = self.follows
            && same_crowd(at)
            && (0..TABLE_LIFE_SECONDS).contains(&(draw.now - at))
        {
            return follows;
        }
        let prior = draw.policy.follow_prior;
        let measured = self.ledger.measured_follow(draw.now, prior);
        let follows = Follows {
            fresh: self.ledger.first_follows(draw.now, measured),
            late: measured,
            ticking: self.ledger.tick_shares(draw.now),
        };
        self.follows = Some((draw.now, follows));
        follows
    }

    /// How clients wake, for the tables that use it; measured again each hour over all certificates.
    fn schedule_mix(
        &mut self,
        draw: Draw<'_>,
        arrival: Arrival,
        measured_follow: f64,
    ) -> ScheduleMix {
        let good = |at: Timestamp| (0..HOUR).contains(&(draw.now - at));
        if self.schedule_mix.as_ref().is_none_or(|(at, _)| !good(*at)) {
            self.schedule_mix = Some((draw.now, self.ledger.schedule_mix(draw.now)));
        }
        let Some((_, generic)) = &self.schedule_mix else {
            return ScheduleMix::default();
        };
        match arrival {
            Arrival::Fresh => self.ledger.waking_now(draw.now, measured_follow, generic),
            // Their tables do not use it, and an import needs thousands of them.
            Arrival::Late | Arrival::Past => ScheduleMix::default(),
        }
    }

    /// Makes a new table for a key if there is none or the one in use is too old or used up.
    fn renew_table(&mut self, key: Key, draw: Draw<'_>, validity: Validity, measured_follow: f64) {
        let good =
            |active: &Active| active.left > 0 && draw.now - active.made_at < TABLE_LIFE_SECONDS;
        if self.tables.get(&key).is_none_or(|active| !good(active)) {
            let life_seconds = validity.life_seconds();
            let schedule_mix = self.schedule_mix(draw, key.arrival, measured_follow);
            let made = make(
                key.arrival,
                key.range,
                &schedule_mix,
                &self.doubt,
                &Forecast {
                    policy: draw.policy,
                    ledger: &self.ledger,
                    profile: draw.profile,
                    now: draw.now,
                    life_seconds,
                },
            );
            let bytes = made.table.to_bytes();
            let stored = StoredTable {
                number: Table::number(&bytes),
                bytes,
                // By then the last certificate of this class that could be drawn from it has expired,
                // even one whose life has not begun yet.
                needed_until: validity.not_after.max(draw.now + life_seconds)
                    + life_seconds / 10
                    + DAY,
            };
            self.make_room(key, made.table.slots.len(), good);
            self.tables.insert(
                key,
                Active {
                    table: Arc::new(made.table),
                    stored,
                    made_at: draw.now,
                    left: made.quota.max(1),
                    durable: false,
                },
            );
        }
    }

    /// Frees memory for a table with this many slots: tables that are too old or used up go first, then
    /// all.
    fn make_room(&mut self, key: Key, slots: usize, good: impl Fn(&Active) -> bool) {
        if let Some(old) = self.tables.remove(&key) {
            self.slots_held -= old.table.slots.len();
        }
        if self.slots_held + slots > MOST_SLOTS_HELD {
            self.tables.retain(|_, active| good(active));
            let held = self.tables.values().map(|active| active.table.slots.len());
            self.slots_held = held.sum();
        }
        if self.slots_held + slots > MOST_SLOTS_HELD {
            self.clear_tables();
        }
        self.slots_held += slots;
    }
}

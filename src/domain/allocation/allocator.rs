//! One CA's books: its ledger, the tables in use, and drawing windows from them.

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

/// Slots of all tables in use: a table of 24 for each hour of 90 days is 51,840, with lives and
/// slots of every kind beside. A slot takes 160 octets or so, with its text: 170 MB.
const MOST_SLOTS_HELD: usize = 1 << 20;

/// What the allocation of one CA works on.
#[derive(Debug, Default)]
pub struct Allocator {
    /// The load that windows have promised, and the returns that are expected.
    pub ledger: Ledger,
    /// The policy that the tables were made under.
    policy: Option<CaPolicy>,
    tables: HashMap<Key, Active>,
    /// Windows that were drawn late.
    doubt: Doubt,
    /// Slots of all tables.
    slots_held: usize,
    /// f of whoever is issued now and φ, and when they were measured.
    follows: Option<(Timestamp, Follows)>,
    /// How clients wake of which nothing is known, and when that was measured.
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

/// f at registration.
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
    /// If the policy has changed, has every table made anew at its next use. This is checked at
    /// each draw and not announced once, because a draw that began under the old policy may still
    /// finish later.
    fn heed(&mut self, policy: &CaPolicy) {
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

    /// Slots of all tables in use: what they cost.
    #[must_use]
    pub const fn slots_held(&self) -> usize {
        self.slots_held
    }

    /// Tables that the store holds need not be handed to it again.
    pub fn durable(&mut self, numbers: &[i64]) {
        for active in self.tables.values_mut() {
            active.durable = active.durable || numbers.contains(&active.stored.number);
        }
    }

    /// Draws the window of a certificate with the hash `hash`. The caller books it.
    ///
    /// # Errors
    /// [`BandError`] where the life leaves no room for a window.
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

    /// The source from which windows of such certificates are drawn now, for `draw.certificates` of
    /// them.
    ///
    /// # Errors
    /// [`BandError`] if the life leaves no room for a window.
    pub fn plan_draw(
        &mut self,
        draw: Draw<'_>,
        validity: Validity,
        issued_at: Timestamp,
    ) -> Result<DrawPlan<'_>, BandError> {
        self.heed(draw.policy);
        let place = place(draw.policy, validity, issued_at, draw.now)?;
        let shares = self.follows(draw);
        let follows = shares.of(place.arrival());
        let ticking = match place.arrival() {
            Arrival::Fresh => shares.ticking,
            // They do not come now because they wake now.
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

    /// f, measured anew as often as tables are made.
    fn follows(&mut self, draw: Draw<'_>) -> Follows {
        // Those of the next five minutes are another crowd.
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

    /// How clients wake for the tables that use it, measured anew each hour over all certificates.
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
            // Their tables have no use for it, and an import brings thousands of them.
            Arrival::Late | Arrival::Past => ScheduleMix::default(),
        }
    }

    /// Puts a new table in for a key where the one in use is old or used up, or there is none.
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
                // The last certificate of this class that could be drawn from it has expired then,
                // one whose life is still to begin as well.
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

    /// Makes room for a table of so many slots: those that are used up go first, then all.
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

//! The types of a draw: its input, its source, and its result.

use super::table::{Reason, StoredTable, Table};
use crate::certificate::Basis;
use crate::client::schedule::Schedule;
use crate::demand::profile::Profile;
use crate::ledger::{Ledger, TickShares};
use crate::policy::ca::CaPolicy;
use crate::time::{Span, Timestamp};

/// A window, and how it was drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The `suggestedWindow`.
    pub window: Span,
    /// The source of the window.
    pub basis: Basis,
    /// The table, if the store may not hold it yet.
    pub table: Option<StoredTable>,
    /// The reason for the table's probabilities; `None` without a table.
    pub reason: Option<Reason>,
    /// f: the chance that the window is followed; `None` after the band.
    pub follows: Option<f64>,
}

/// The source of windows to be drawn, and the chance that they are followed.
#[derive(Clone, Debug)]
pub struct DrawPlan<'a> {
    /// The source of the draw.
    pub from: DrawSource<'a>,
    /// f: the chance that the window is followed; `None` after the band.
    pub follows: Option<f64>,
    /// The shares of clients that wake at ticks among those whose schedule is unknown.
    pub ticking: TickShares,
}

/// The source from which windows are drawn.
#[derive(Clone, Debug)]
pub enum DrawSource<'a> {
    /// Uniform over the possible starts, as far as they are open.
    Starts {
        /// The possible starts.
        starts: Span,
        /// The windows' length in seconds.
        window_seconds: i64,
        /// The closed spans from the first start to the end of the last window: merged, in order.
        closed: Vec<Span>,
    },
    /// A table.
    Table {
        /// The table.
        table: &'a Table,
        /// The table as stored.
        stored: &'a StoredTable,
        /// Whether the store has it already.
        durable: bool,
        /// The ledger from which it was made.
        ledger: &'a Ledger,
        /// See [`last_tick`](super::window::last_tick).
        last_tick: Option<Timestamp>,
    },
}

/// The input of a draw.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// The CA's policy.
    pub policy: &'a CaPolicy,
    /// The learned profile of the week.
    pub profile: &'a Profile,
    /// Now.
    pub now: Timestamp,
    /// When the client wakes, if known.
    pub schedule: Schedule,
    /// How many certificates this draw stands for: 1, or the size of a cohort.
    pub certificates: u64,
}

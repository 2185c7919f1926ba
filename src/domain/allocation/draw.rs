//! The types of a draw: its input, its source, and its result.

use super::table::{Reason, StoredTable, Table};
use crate::certificate::Basis;
use crate::client::schedule::Schedule;
use crate::demand::profile::Profile;
use crate::ledger::{Ledger, TickShares};
use crate::policy::ca::CaPolicy;
use crate::time::{Span, Timestamp};

/// A window and where it comes from.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The `suggestedWindow`.
    pub window: Span,
    /// What the window was drawn from.
    pub basis: Basis,
    /// The table, where the store may not hold it yet.
    pub table: Option<StoredTable>,
    /// What decided the table's probabilities; `None` without a table.
    pub reason: Option<Reason>,
    /// f: the chance that the window is followed; `None` after the band.
    pub follows: Option<f64>,
}

/// What windows are drawn from, and the chance that they are followed.
#[derive(Clone, Debug)]
pub struct DrawPlan<'a> {
    /// The source of the draw.
    pub from: DrawSource<'a>,
    /// f: the chance that the window is followed; `None` after the band.
    pub follows: Option<f64>,
    /// Whose schedule is not known may be among these.
    pub ticking: TickShares,
}

/// The source from which windows are drawn.
#[derive(Clone, Debug)]
pub enum DrawSource<'a> {
    /// Uniform over the starts in a span, as far as they are open.
    Starts {
        /// The possible starts.
        starts: Span,
        /// How long the windows are.
        window_seconds: i64,
        /// What is closed from the first start to the end of the last window: merged, in order.
        closed: Vec<Span>,
    },
    /// A table.
    Table {
        /// The table.
        table: &'a Table,
        /// As the store keeps it.
        stored: &'a StoredTable,
        /// Whether the store has it.
        durable: bool,
        /// The ledger it was made from.
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
    /// What is known of the week.
    pub profile: &'a Profile,
    /// Now.
    pub now: Timestamp,
    /// How the client wakes, where it is known.
    pub schedule: Schedule,
    /// For how many certificates a draw stands: 1, or a cohort's.
    pub certificates: u64,
}

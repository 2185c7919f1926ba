//! The outcome of a midnight under each rule.

/// Its name in `offpeak simulate`.
pub const NAME: &str = "midnight";
/// Its description in a sentence.
pub const DESCRIPTION: &str =
    "The seconds around midnight, at the door of a CA that can take three times its mean load";

/// The rule for new orders beyond the CA's capacity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// All reach the CA, which answers the excess with 500.
    None,
    /// The excess is answered 503 with `Retry-After: 3600`.
    Fixed,
    /// The excess waits up to 20 s in the order of arrival; after that as `fixed`.
    Hold,
    /// The gateway: `domain::admission`.
    Offpeak,
}

impl Rule {
    /// All rules, in the order of tables and files.
    pub const ALL: [Self; 4] = [Self::None, Self::Fixed, Self::Hold, Self::Offpeak];

    /// Its name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fixed => "fixed",
            Self::Hold => "hold",
            Self::Offpeak => "offpeak",
        }
    }
}

/// The outcome of a midnight.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The seed it ran with.
    pub seed: u64,
    /// The mean number of new orders a second over the day.
    pub mean: f64,
    /// The CA's capacity, in new orders a second.
    pub capacity: f64,
    /// The number of clients that fail under any rule: those that arrive in the second of midnight,
    /// give up after a known time and do not try again, minus what the CA can handle in that time.
    pub floor: f64,
    /// The outcome of each rule, in the order of [`Rule::ALL`].
    pub rules: Vec<RuleOutcome>,
}

/// The outcome of one rule. Clients are those that first arrive between 23:50 and 00:30 and would
/// get their certificates; those that never succeed only count as attempts.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: Rule,
    /// The most new orders reaching the CA in a second of the clock.
    pub worst_second: u32,
    /// The most new orders reaching the CA in a minute of the clock.
    pub worst_minute: u32,
    /// Attempts answered with 500 or 503.
    pub in_vain: u32,
    /// The number of clients.
    pub clients: u32,
    /// Clients whose run ended without an order; they return at their next run.
    pub failed: u32,
    /// The same by kind of client, most frequent first.
    pub failed_by_kind: Vec<(String, u32)>,
    /// Clients that are still trying at 04:00, in the same run.
    pub waiting: u32,
    /// The busiest second of the next midnight, in new orders: the usual ones, and those of clients
    /// that failed.
    pub tomorrow: f64,
    /// Seconds after midnight until the last client was served among those that arrived in the
    /// first minute and did not fail.
    pub last_served_seconds: i64,
    /// The most requests held at the same time.
    pub most_held: usize,
    /// The longest hold, in seconds.
    pub longest_held_seconds: f64,
}

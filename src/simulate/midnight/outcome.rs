//! The outcome of a midnight under each rule.

/// The name under which `offpeak simulate` knows it.
pub const NAME: &str = "midnight";
/// What it shows, in a sentence.
pub const DESCRIPTION: &str =
    "The seconds around midnight, at the door of a CA that bears three times its mean load";

/// What is done with new orders that are over what the CA bears.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// All reach the CA, which fails those with a 500.
    None,
    /// They are answered 503 with `Retry-After: 3600`.
    Fixed,
    /// They wait up to 20 s in the order of arrival; for whom that is too long, as `fixed`.
    Hold,
    /// The gateway: `domain::admission`.
    Offpeak,
}

impl Rule {
    /// All of them, in the order of tables and files.
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

/// What came of one midnight.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The seed it ran with.
    pub seed: u64,
    /// New orders a second, in the mean of the day.
    pub mean: f64,
    /// New orders a second that the CA bears.
    pub bears: f64,
    /// So many clients fail whatever is done: those that come in the second of midnight, give up after a
    /// known time and try no more, less what the CA bears in that time.
    pub floor: f64,
    /// What each rule made of it, in the order of [`Rule::ALL`].
    pub rules: Vec<RuleOutcome>,
}

/// What one rule made of it. Clients are those that come first between 23:50 and 00:30 and would get
/// their certificates; those that never succeed count as attempts alone.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: Rule,
    /// The most new orders that reach the CA in a second of the clock.
    pub worst_second: u32,
    /// The most new orders that reach the CA in a minute of the clock.
    pub worst_minute: u32,
    /// Attempts that were answered 500 or 503.
    pub in_vain: u32,
    /// Clients.
    pub clients: u32,
    /// Clients whose run ended without an order: they come again at their next one.
    pub failed: u32,
    /// The same by kind of client, the most first.
    pub failed_by_kind: Vec<(String, u32)>,
    /// Clients that still try at 04:00, in the same run.
    pub waiting: u32,
    /// The busiest second of the next midnight, in new orders: the usual ones, and those of clients that
    /// failed.
    pub tomorrow: f64,
    /// Seconds after midnight until the last client was served of those that came in the minute after it
    /// and did not fail.
    pub last_served_seconds: i64,
    /// The most requests that were held at once.
    pub most_held: usize,
    /// The longest that one was held, in seconds.
    pub longest_held_seconds: f64,
}

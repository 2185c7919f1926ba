//! The scenarios that come with the program.

/// A scenario that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// The name that `offpeak simulate` accepts.
    pub name: &'static str,
    /// The text of its file in `scenarios/`.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// All shipped scenarios, by name.
        pub const SHIPPED: &[Shipped] = &[$(Shipped {
            name: $name,
            text: include_str!(concat!("../../../scenarios/", $name, ".toml")),
        }),+];
    };
}

shipped![
    "base-0.3",
    "base-0.6",
    "base-0.9",
    "burst",
    "closed",
    "deployment",
    "late-return",
    "lifetimes",
    "newcomers",
    "outage",
    "realistic",
    "retries",
    "revocation-3",
    "revocation-30",
    "short-lived",
    "ticks",
];

/// The shipped scenario with this name.
#[must_use]
pub fn shipped(name: &str) -> Option<Shipped> {
    SHIPPED.iter().copied().find(|known| known.name == name)
}

//! How clients react to a late or failed newOrder, read from their source code in autumn 2026 (the
//! table in `docs/admission.md`).

use crate::domain::time::{DAY, HOUR, MINUTE};

/// The behaviour of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Behaviour {
    /// Its `User-Agent`, as far as it determines how long the client waits.
    pub(super) user_agent: &'static str,
    /// The seconds without an answer after which it gives up; `None` if never or unknown.
    pub(super) gives_up_seconds: Option<i64>,
    /// How it reacts to a 500 or 503.
    pub(super) again: Again,
}

/// When a client tries again in the same run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Again {
    /// Never: the run has failed.
    Never,
    /// After `Retry-After`. Without one the run has failed, or it tries again after a second,
    /// doubling to ten.
    AsRequested {
        /// The most tries in a run.
        posts: u32,
        /// A longer `Retry-After`, in seconds, ends the run.
        most_seconds: i64,
        /// Whether it tries again without `Retry-After`.
        without_hint: bool,
    },
    /// On its own schedule, ignoring `Retry-After`.
    Own {
        /// The waits in seconds, in order; the last one repeats.
        waits: &'static [f64],
        /// Each wait varies at random by up to this fraction, 0 to 1.
        spread: f64,
    },
}

/// certmagic's `retryIntervals`, after three tries of acmez within half a second.
const CADDY: &[f64] = &[
    0.25, 0.25, 60.0, 0.25, 0.25, 120.0, 0.25, 0.25, 120.0, 0.25, 0.25, 300.0, 0.25, 0.25, 600.0,
];
/// cert-manager's rate limiter: 5 s doubling to 30 minutes.
const CERT_MANAGER: &[f64] = &[
    5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1_280.0, 1_800.0,
];
/// `md_util_retry_delay` of `mod_md`: 30 s doubling to 24 h.
const MOD_MD: &[f64] = &[
    30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1_920.0, 3_840.0, 7_680.0,
];

const FAILS: Again = Again::Never;
const X_CRYPTO: Again = Again::AsRequested {
    posts: u32::MAX,
    most_seconds: DAY,
    without_hint: true,
};

/// certbot gives up after 45 s without an octet, and an interim answer counts.
const CERTBOT: Behaviour = behaviour("CertbotACMEClient/", FAILS);
const LEGO: Behaviour = fails_after("xenolf-acme/", 30);

/// The clients of `realistic` by name, each with a variant and that variant's share.
const KNOWN: &[(&str, &str, f64, Behaviour)] = &[
    (
        "cron without ARI",
        "dehydrated",
        0.4,
        behaviour("dehydrated/", FAILS),
    ),
    (
        "cron without ARI",
        "acme-tiny",
        0.2,
        behaviour("acme-tiny", FAILS),
    ),
    ("cron without ARI", "certbot before ARI", 0.3, CERTBOT),
    ("cron without ARI", "lego before ARI", 0.1, LEGO),
    (
        "traefik",
        "traefik",
        1.0,
        fails_after("containous-traefik/", 30),
    ),
    ("certbot, packaged", "certbot, packaged", 1.0, CERTBOT),
    ("certbot, cron", "certbot, cron", 1.0, CERTBOT),
    ("lego", "lego", 1.0, LEGO),
    ("caddy", "caddy", 1.0, behaviour("Caddy/", own(CADDY, 0.0))),
    (
        "cert-manager",
        "cert-manager",
        1.0,
        behaviour("cert-manager", own(CERT_MANAGER, 0.0)),
    ),
    (
        "nginx-acme",
        "nginx-acme",
        1.0,
        behaviour("nginx-acme", as_requested(3, DAY)),
    ),
    (
        "acme.sh",
        "acme.sh",
        1.0,
        behaviour("acme.sh/", as_requested(20, 10 * MINUTE)),
    ),
    (
        "uacme",
        "uacme",
        1.0,
        behaviour("uacme/", as_requested(3, HOUR)),
    ),
    ("RFC step 5", "RFC step 5", 1.0, behaviour("", X_CRYPTO)),
    ("mod_md", "mod_md", 1.0, behaviour("", own(MOD_MD, 0.5))),
];

/// An unknown client fails, and tries again at its next run.
const UNKNOWN: Behaviour = behaviour("", FAILS);

const fn behaviour(user_agent: &'static str, again: Again) -> Behaviour {
    Behaviour {
        user_agent,
        gives_up_seconds: None,
        again,
    }
}

const fn own(waits: &'static [f64], spread: f64) -> Again {
    Again::Own { waits, spread }
}

const fn as_requested(posts: u32, most_seconds: i64) -> Again {
    Again::AsRequested {
        posts,
        most_seconds,
        without_hint: false,
    }
}

/// A client that fails immediately on an error, and after this many seconds without an answer.
const fn fails_after(user_agent: &'static str, seconds: i64) -> Behaviour {
    Behaviour {
        gives_up_seconds: Some(seconds),
        ..behaviour(user_agent, FAILS)
    }
}

/// The variants of a scenario's client: name, share, behaviour.
pub(super) fn parts(client: &str) -> Vec<(String, f64, Behaviour)> {
    let known = KNOWN.iter().filter(|(of, ..)| *of == client);
    let mut parts: Vec<_> = known
        .map(|&(_, name, share, behaviour)| (name.to_owned(), share, behaviour))
        .collect();
    if parts.is_empty() {
        parts.push((client.to_owned(), 1.0, UNKNOWN));
    }
    parts
}

impl Behaviour {
    /// The seconds until a client tries again that has tried `posts` times and received
    /// `retry_after`; `None` if its run has failed. `draw` is uniform from 0 to 1.
    pub(super) fn again_seconds(
        &self,
        posts: u32,
        retry_after: Option<i64>,
        draw: f64,
    ) -> Option<f64> {
        match self.again {
            Again::Never => None,
            Again::AsRequested {
                posts: most,
                most_seconds,
                without_hint,
            } => match retry_after {
                _ if posts >= most => None,
                Some(seconds) if seconds > most_seconds => None,
                // Up to a second more, because clients sleep whole seconds and then request a
                // nonce.
                Some(seconds) => Some(crate::domain::math::number::real(seconds) + draw),
                None if without_hint => Some(f64::from(1_u32 << posts.min(4)).min(10.0)),
                None => None,
            },
            Again::Own { waits, spread } => {
                let n = usize::try_from(posts)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(1);
                let wait = waits.get(n).or_else(|| waits.last())?;
                Some(wait * (1.0 + spread * (2.0 * draw - 1.0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::admission::hold_seconds;

    fn of(client: &str, part: usize) -> Behaviour {
        parts(client)[part].2
    }

    #[test]
    fn each_does_what_its_source_says() {
        let waits_for =
            |behaviour: Behaviour, posts, seconds| behaviour.again_seconds(posts, seconds, 0.5);
        assert_eq!(waits_for(of("lego", 0), 1, Some(60)), None);
        assert_eq!(waits_for(of("acme.sh", 0), 1, Some(600)), Some(600.5));
        assert_eq!(waits_for(of("acme.sh", 0), 1, Some(601)), None);
        assert_eq!(waits_for(of("acme.sh", 0), 20, Some(60)), None);
        assert_eq!(waits_for(of("uacme", 0), 2, Some(60)), Some(60.5));
        assert_eq!(waits_for(of("uacme", 0), 3, Some(60)), None);
        assert_eq!(waits_for(of("RFC step 5", 0), 4, None), Some(10.0));
        assert_eq!(waits_for(of("caddy", 0), 3, Some(5)), Some(60.0));
        assert_eq!(waits_for(of("cert-manager", 0), 90, None), Some(1_800.0));
        assert_eq!(waits_for(of("mod_md", 0), 1, None), Some(30.0));
        assert_eq!(of("mod_md", 0).again_seconds(1, None, 1.0), Some(45.0));
        assert_eq!(waits_for(of("somebody", 0), 1, Some(1)), None);
    }

    #[test]
    fn parts_are_all_of_a_client() {
        for (name, ..) in KNOWN {
            let sum: f64 = parts(name).iter().map(|(_, share, _)| share).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{name}");
        }
        assert_eq!(hold_seconds(of("cron without ARI", 0).user_agent, 20), 600);
        assert_eq!(hold_seconds(of("certbot, cron", 0).user_agent, 20), 40);
    }
}

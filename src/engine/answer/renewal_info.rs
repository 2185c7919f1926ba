//! The answer to a `renewalInfo` request, from memory.

use std::sync::Arc;

use arc_swap::Guard;

use crate::domain::allocation::band::retry_after_base;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::hash::{lower_unit, mixed, upper_unit};
use crate::domain::client::retry_after::{Ahead, Pressing, in_time_seconds, retry_after_seconds};
use crate::domain::demand::announced::announced_and_retries;
use crate::domain::demand::profile::Profile;
use crate::domain::math::number::real;
use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};
use crate::engine::index::{Entry, Fingerprint};
use crate::engine::service::Engine;
use crate::engine::state::memory::Memory;
use crate::store::Sharing;

/// The answer to a `renewalInfo` request about a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RenewalInfo {
    /// The `suggestedWindow`.
    pub window: Span,
    /// Present only for incidents.
    pub explanation_url: Option<Arc<str>>,
    /// Seconds until the client should ask again.
    pub retry_after_seconds: i64,
    /// Whether an incident that affects the CA is active, so that the answer must not be cached.
    pub incident: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Miss {
    /// The store is unavailable, or too many look-ups are in progress: try again later (503).
    Busy,
    /// The issuer is unknown (404).
    UnknownIssuer,
    /// The issuer is known, but the serial is not (404).
    UnknownSerial,
}

/// The fields of an entry needed for an answer.
#[derive(Clone, Copy)]
struct Found {
    fingerprint: Fingerprint,
    ca: u16,
    window: Span,
    life_seconds: i64,
    moved_by: u32,
    replaced: bool,
}

/// A requested certificate whose entry is being loaded into the processor's cache. That takes as
/// long as a thousand instructions, so other work can be done in between.
#[derive(Debug)]
pub struct Sought<'a> {
    memory: Guard<Arc<Memory>>,
    id: &'a CertId,
    fingerprint: Fingerprint,
}

impl Engine {
    /// The answer to a `renewalInfo` request: from memory, without SQL if the certificate is in the
    /// index.
    ///
    /// # Errors
    /// [`Miss`].
    pub async fn renewal_info(self: &Arc<Self>, id: &CertId) -> Result<RenewalInfo, Miss> {
        let fingerprint = {
            let sought = self.seek(id);
            if let Some(known) = self.renewal_info_in_memory(&sought) {
                return known;
            }
            sought.fingerprint
        };
        self.look_up(fingerprint, id).await?;
        let sought = self.seek(id);
        sought.answer(self.now()).ok_or_else(|| sought.miss())
    }

    /// Starts to look for a certificate.
    #[must_use]
    pub fn seek<'a>(&self, id: &'a CertId) -> Sought<'a> {
        let memory = self.memory.load();
        let fingerprint = memory.index.fingerprint(id);
        memory.index.prefetch(fingerprint);
        Sought {
            memory,
            id,
            fingerprint,
        }
    }

    /// The answer to a `renewalInfo` request if memory is sufficient; `None` if the store must be
    /// queried.
    #[must_use]
    pub fn renewal_info_in_memory(&self, sought: &Sought<'_>) -> Option<Result<RenewalInfo, Miss>> {
        if let Some(info) = sought.answer(self.now()) {
            return Some(Ok(info));
        }
        if !self.may_be_stored(sought) || self.look_ups.is_absent(sought.fingerprint) {
            Some(Err(sought.miss()))
        } else if self.look_ups.are_full() {
            Some(Err(Miss::Busy))
        } else {
            None
        }
    }

    /// Whether the store may have a certificate that is not in memory.
    fn may_be_stored(&self, sought: &Sought<'_>) -> bool {
        let is_complete = self.store().sharing() == Sharing::IndexIsComplete && self.is_summed();
        let config = &sought.memory.config;
        !is_complete && config.ca_of(&sought.id.key_identifier).is_some()
    }

    /// When to ask again about an unknown CertID, in seconds: six hours ± 20 %, as for a known one.
    /// What is not registered within an hour of issuance rarely ever is.
    #[must_use]
    pub fn retry_after_unknown_seconds(&self) -> i64 {
        rand::random_range(17_280..=25_920)
    }

    /// `Retry-After` of a busy service, in seconds: one to three minutes, so that rejected clients
    /// do not return together.
    #[must_use]
    pub fn retry_after_busy_seconds(&self) -> i64 {
        rand::random_range(MINUTE..=3 * MINUTE)
    }
}

fn answer(memory: &Memory, found: Found, now: Timestamp) -> RenewalInfo {
    let hash = mixed(found.fingerprint.number(), now.unix());
    let drawn = match memory.config.cas.get(usize::from(found.ca)) {
        Some(policy) => {
            let ca = &memory.cas[usize::from(found.ca)];
            let profile = ca.profile.load();
            let ahead = Ahead {
                closed: &ca.closed.load(),
                load: |at| expected_at(policy, &profile, at),
            };
            retry_after_seconds(
                retry_after_base(policy, found.life_seconds),
                now,
                (upper_unit(hash), lower_unit(hash)),
                &ahead,
            )
        }
        None => DAY,
    };
    let in_force = memory.in_force();
    let pressing = if found.replaced {
        Pressing::Not
    } else if in_force.touches(found.moved_by) {
        Pressing::Incident
    } else {
        Pressing::Window
    };
    let in_time = in_time_seconds(pressing, found.window, now);
    let retry_after_seconds = in_time.map_or(drawn, |in_time| drawn.min(in_time));
    RenewalInfo {
        window: found.window,
        explanation_url: in_force.explanation(found.moved_by),
        retry_after_seconds,
        incident: in_force.is_active(usize::from(found.ca)),
    }
}

/// The load at an instant relative to the mean: the profile's, plus what is expected in addition.
fn expected_at(policy: &CaPolicy, profile: &Profile, at: Timestamp) -> f64 {
    let mean = profile.mean_per_hour();
    let from = Timestamp::from_unix(at.slot(GRAIN_SECONDS) * GRAIN_SECONDS);
    let to = from + GRAIN_SECONDS;
    let grain = Span { from, to };
    let extra = announced_and_retries(policy, profile, grain) * real(HOUR) / real(GRAIN_SECONDS);
    let relative = if mean > 0.0 { extra / mean } else { 0.0 };
    profile.coefficient_at(at) + relative
}

impl Sought<'_> {
    /// [`Engine::version`] when the search began.
    #[must_use]
    pub fn version(&self) -> &Arc<str> {
        &self.memory.version
    }

    fn answer(&self, now: Timestamp) -> Option<RenewalInfo> {
        let found = self.find(now)?;
        Some(answer(&self.memory, found, now))
    }

    fn find(&self, now: Timestamp) -> Option<Found> {
        let index = &self.memory.index;
        let base_of = |entry: &Entry| self.memory.base_seconds(entry);
        let ask = |fingerprint: Fingerprint| {
            let read = |entry: &Entry| Found {
                fingerprint,
                ca: entry.ca,
                window: entry.window,
                life_seconds: entry.validity.life_seconds(),
                moved_by: entry.moved_by,
                replaced: entry.replaced,
            };
            index.poll(fingerprint, now, base_of, read)
        };
        ask(self.fingerprint).or_else(|| ask(index.fingerprint(&self.id.with_sign_octet()?)))
    }

    fn miss(&self) -> Miss {
        let issuer = &self.id.key_identifier;
        let claimed = self
            .memory
            .config
            .cas
            .iter()
            .any(|ca| ca.issuers.contains(issuer));
        if claimed || self.memory.index.knows_issuer(issuer) {
            Miss::UnknownSerial
        } else {
            Miss::UnknownIssuer
        }
    }
}

//! A digest of the policy: it differs between two configurations that give different windows.

use sha2::{Digest, Sha256};

use super::Config;
use crate::domain::policy::ca::{BandRule, CaPolicy};
use crate::domain::policy::capacity::{CapacityRule, When};
use crate::domain::policy::planned::Planned;

/// The version of the algorithm that makes windows out of a policy. It rises whenever the same
/// policy and the same load would give other windows, and with it every digest.
const ALGORITHM: u64 = 1;

impl Config {
    /// The first 64 bits of a SHA-256 over everything that changes windows or weights, and over the
    /// algorithm's version. Equal policies have equal digests, in every process and on every
    /// machine, however their files order CAs, issuers and capacity rules. Listeners, URLs, tokens,
    /// the database, retention and the publishing interval have no part in it.
    #[must_use]
    pub fn policy_digest(&self) -> u64 {
        let mut words = Words::default();
        words.number(ALGORITHM);
        words.number(u64::from(self.strict_issuers));
        words.set(self.cas.iter().map(ca));
        let digest = Sha256::digest(&words.0);
        digest
            .iter()
            .take(8)
            .fold(0, |number, octet| number << 8 | u64::from(*octet))
    }
}

/// What is digested: numbers as eight octets, all else with its length in front, so that no two
/// policies run together.
#[derive(Debug, Default)]
struct Words(Vec<u8>);

impl Words {
    fn number(&mut self, number: u64) {
        self.0.extend(number.to_be_bytes());
    }

    fn seconds(&mut self, seconds: i64) {
        self.0.extend(seconds.to_be_bytes());
    }

    fn share(&mut self, share: f64) {
        // 0 has two signs and one meaning.
        self.number((share + 0.0).to_bits());
    }

    fn octets(&mut self, octets: &[u8]) {
        self.number(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        self.0.extend(octets);
    }

    /// Members in an order of their own, whatever order they come in.
    fn set(&mut self, members: impl Iterator<Item = Self>) {
        let mut members: Vec<Vec<u8>> = members.map(|member| member.0).collect();
        members.sort_unstable();
        self.number(u64::try_from(members.len()).unwrap_or(u64::MAX));
        for member in members {
            self.octets(&member);
        }
    }
}

/// The environment is a label, notes and what an outage is called are words, and an objective is reported: they
/// change nothing.
fn ca(ca: &CaPolicy) -> Words {
    let CaPolicy {
        name,
        environment: _,
        notes: _,
        outages: _,
        objective: _,
        issuers,
        backdate_seconds,
        slot_seconds,
        follow_prior,
        max_extra,
        steerable_share,
        learn_until,
        retry_after_seconds,
        bands,
        capacity: rules,
        planned: events,
        control_share,
        // It decides when windows move, and the shadow is never served.
        rebalance: _,
        shadow: _,
    } = ca;
    let mut words = Words::default();
    words.octets(name.as_str().as_bytes());
    words.set(issuers.iter().map(|issuer| {
        let mut words = Words::default();
        words.octets(issuer.octets());
        words
    }));
    words.seconds(*backdate_seconds);
    words.seconds(*slot_seconds);
    words.share(*follow_prior);
    words.share(*max_extra);
    words.share(*steerable_share);
    words.seconds(*retry_after_seconds);
    if let Some(until) = learn_until {
        words.seconds(until.unix());
    }
    words.number(u64::try_from(bands.len()).unwrap_or(u64::MAX));
    for rule in bands {
        band(rule, &mut words);
    }
    words.set(rules.iter().map(capacity));
    words.set(events.iter().map(planned));
    words.share(*control_share);
    words
}

fn band(band: &BandRule, words: &mut Words) {
    let BandRule {
        min_life_seconds,
        end_fraction,
        end_offset_seconds,
        length_seconds,
        length_fraction,
        max_length_fraction,
    } = band;
    words.seconds(*min_life_seconds);
    words.share(*end_fraction);
    words.seconds(*end_offset_seconds);
    words.seconds(*length_seconds);
    words.share(*length_fraction);
    words.share(*max_length_fraction);
}

fn planned(event: &Planned) -> Words {
    let Planned { span, certificates } = event;
    let mut words = Words::default();
    words.seconds(span.from.unix());
    words.seconds(span.to.unix());
    words.share(*certificates);
    words
}

fn capacity(rule: &CapacityRule) -> Words {
    let CapacityRule {
        when,
        share,
        ceiling_per_hour,
        // It is told where the rule binds, and binds nothing.
        name: _,
    } = rule;
    let mut words = Words::default();
    match when {
        When::Once(span) => {
            words.number(0);
            words.seconds(span.from.unix());
            words.seconds(span.to.unix());
        }
        When::Recurring {
            cron,
            zone,
            duration_seconds,
        } => {
            words.number(1);
            words.octets(cron.as_str().as_bytes());
            words.octets(zone.name().as_bytes());
            words.seconds(*duration_seconds);
        }
    }
    words.share(*share);
    // No ceiling is no number of certificates: 0 is refused by the parser.
    words.share(ceiling_per_hour.unwrap_or(0.0));
    words
}

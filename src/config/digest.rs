//! A digest of the policy. Configurations that give different windows have different digests.

use sha2::{Digest, Sha256};

use super::Config;
use crate::domain::policy::ca::{BandRule, CaPolicy};
use crate::domain::policy::capacity::{CapacityRule, When};
use crate::domain::policy::planned::Planned;

/// The version of the algorithm that computes windows. It is raised if the same policy and load would
/// give other windows, which changes every digest.
const ALGORITHM: u64 = 1;

impl Config {
    /// The first 64 bits of a SHA-256 of everything that affects windows or weights, and of the
    /// algorithm's version. Equal policies have equal digests, in every process and on every machine,
    /// whatever the order of CAs, issuers and capacity rules in their files. Listeners, URLs, tokens,
    /// the database, retention and the publishing interval are not included.
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

/// The digested bytes: numbers as eight bytes, everything else after its length, so that different
/// policies cannot give the same bytes.
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
        // Negative zero counts as zero.
        self.number((share + 0.0).to_bits());
    }

    fn octets(&mut self, octets: &[u8]) {
        self.number(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        self.0.extend(octets);
    }

    /// Members in a fixed order, whatever order they come in.
    fn set(&mut self, members: impl Iterator<Item = Self>) {
        let mut members: Vec<Vec<u8>> = members.map(|member| member.0).collect();
        members.sort_unstable();
        self.number(u64::try_from(members.len()).unwrap_or(u64::MAX));
        for member in members {
            self.octets(&member);
        }
    }
}

/// The environment is a label, notes and the names of outages are texts, and an objective is only
/// reported: none of them changes windows.
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
        // Rebalancing decides when windows move, not where; the shadow policy is never served.
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
        // The name is only shown where the rule is in force.
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
    // Without a ceiling: 0, which the parser refuses as a ceiling.
    words.share(ceiling_per_hour.unwrap_or(0.0));
    words
}

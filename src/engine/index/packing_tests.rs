//! Entries converted to records and back, and stored in the index.

use proptest::prelude::*;

use super::certificates::Index;
use super::entry::{Entry, Kept};
use super::packing::{pack, repack, unpack};
use super::shared_fields::SharedFields;
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::certificate::hash::HashKey;
use crate::domain::certificate::{Basis, Cause, Certificate, Successor, Validity};
use crate::domain::client::fate::Fate;
use crate::domain::client::following::SILENT_FOLLOWS;
use crate::domain::client::schedule::Polls;
use crate::domain::ledger::Ledger;
use crate::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// An instant within this time of a Saturday.
fn instant(around_seconds: i64) -> impl Strategy<Value = i64> {
    (-around_seconds..around_seconds).prop_map(|seconds| 1_795_219_200 + seconds)
}

pub(super) fn id(n: u16) -> CertId {
    CertId {
        key_identifier: KeyIdentifier::new(&[9; 20]).unwrap(),
        serial: Serial::new(&[&[0x40], &n.to_be_bytes()[..]].concat()).unwrap(),
    }
}

prop_compose! {
    fn certificate(longest_life_seconds: i64)(
        n in any::<u16>(),
        not_before in instant(400 * DAY),
        life in 60..longest_life_seconds,
        lag in prop_oneof![Just(0), Just(3_510), -HOUR..DAY],
        delay in prop_oneof![0..HOUR, 0..300 * DAY],
        place in 0.0..1.0,
        window_seconds in prop_oneof![Just(900), 1..DAY],
        basis in prop_oneof![
            Just(Basis::Table(3)),
            instant(DAY).prop_map(|tick| Basis::Tick(Timestamp::from_unix(tick))),
            Just(Basis::Plain(Span { from: Timestamp::MIN, to: Timestamp::MAX })),
        ],
        cause in prop_oneof![Just(Cause::Registration), (1_i64..9).prop_map(Cause::Incident)],
        follows in prop::option::of(0.0..=1.0),
        (hour_known, steered, replaced) in any::<(bool, bool, bool)>(),
    ) -> Certificate {
        let not_before = Timestamp::from_unix(not_before);
        let issued_at = not_before + lag;
        let start = not_before + crate::domain::math::number::whole(
            crate::domain::math::number::real(life) * place,
        );
        Certificate {
            id: id(n),
            validity: Validity { not_before, not_after: not_before + life - 1 },
            issued_at,
            hour_known,
            steered,
            registered_at: issued_at + delay,
            window: Span { from: start, to: start + window_seconds },
            basis,
            cause,
            follows,
            successor: replaced.then(|| Successor::Order("order".to_owned())),
        }
    }
}

/// Events between an entry's registration and its end.
fn lived(entry: &mut Entry, polls: &[i64], share: f64) {
    let registered_at = entry.registered_at;
    for (n, hours) in (1..).zip(polls) {
        let now = registered_at + n * 12 * HOUR + hours * MINUTE;
        entry.see(now, 6 * HOUR);
        entry.expected = entry.expects(registered_at, now, share);
    }
}

proptest! {
    #[test]
    fn an_entry_is_read_back(
        certificate in certificate(340 * DAY),
        polls in prop::collection::vec(0_i64..40, 0..9),
        share in 0.0..=1.0,
    ) {
        let shared_fields = SharedFields::new();
        let mut entry = Entry::new(3, &certificate);
        lived(&mut entry, &polls, share);
        let record = pack(&entry, &shared_fields).unwrap();
        prop_assert_eq!(unpack(record, &shared_fields), Some(entry.clone()));
        entry.set_polls(entry.polls().judged(Fate::Kept));
        entry.news = true;
        let again = repack(&entry, record.facts).unwrap();
        prop_assert_eq!(unpack(again, &shared_fields), Some(entry));
        prop_assert_eq!(shared_fields.len(), 1);
    }

    #[test]
    fn what_is_served_is_exact_and_the_rest_is_near(certificate in certificate(340 * DAY)) {
        let entry = Entry::new(0, &certificate);
        prop_assert_eq!(entry.window, certificate.window);
        let issued_late = certificate.issued_at - entry.issued_at;
        prop_assert!((0..MINUTE).contains(&issued_late));
        let Validity { not_after, .. } = certificate.validity;
        let kept_longer = entry.validity.not_after - not_after;
        prop_assert!((-MINUTE..=HOUR + MINUTE).contains(&kept_longer), "{kept_longer}");
        let life = certificate.validity.life_seconds();
        prop_assert!((entry.validity.life_seconds() - life).abs() <= MINUTE / 2);
        let delay = entry.registered_at - certificate.registered_at;
        prop_assert!((0..13 * HOUR).contains(&delay), "{delay}");
    }

    #[test]
    fn the_ledger_returns_to_where_it_was(
        certificates in prop::collection::vec(
            (certificate(340 * DAY), prop::collection::vec(0_i64..40, 0..4), 0.0..=1.0), 1..20,
        ),
    ) {
        let index = Index::new(HashKey::new([3; 16]));
        let mut ledger = Ledger::default();
        let mut ids = Vec::new();
        for (certificate, polls, share) in &certificates {
            let fingerprint = index.fingerprint(&certificate.id);
            if ids.contains(&certificate.id) {
                continue;
            }
            ids.push(certificate.id.clone());
            let mut entry = Entry::new(0, certificate);
            ledger.book(&entry.booking());
            let before = entry.booking();
            lived(&mut entry, polls, *share);
            ledger.learn(&before, &entry.booking());
            index.put(&certificate.id.key_identifier, fingerprint, entry, |_, _| Kept::New);
        }
        // What comes out of the index is exactly what was added to the ledger.
        for id in &ids {
            ledger.unbook(&index.remove(id).unwrap().booking());
        }
        let all = Span {
            from: Timestamp::from_unix(1_795_219_200 - 900 * DAY),
            to: Timestamp::from_unix(1_795_219_200 + 900 * DAY),
        };
        prop_assert!(ledger.promised(all).abs() < 1e-9);
        prop_assert!(ledger.windows(all).abs() < 1e-9);
        prop_assert!(ledger.issued(all).abs() < 1e-9);
        prop_assert_eq!(index.len(), 0);
    }
}

/// An ordinary certificate.
pub(super) fn plain(n: u16) -> Certificate {
    let not_before = Timestamp::from_unix(1_795_219_200) + i64::from(n) * 700;
    let start = not_before + 59 * DAY;
    Certificate {
        id: id(n),
        validity: Validity {
            not_before,
            not_after: not_before + 90 * DAY - 1,
        },
        issued_at: not_before,
        registered_at: not_before + MINUTE,
        window: Span {
            from: start,
            to: start + 900,
        },
        ..overflow()
    }
}

/// A certificate with a lifetime that no record can hold.
pub(super) fn overflow() -> Certificate {
    let not_before = Timestamp::from_unix(1_795_219_200);
    let start = not_before + 2_000 * DAY;
    Certificate {
        id: id(9_999),
        validity: Validity {
            not_before,
            not_after: not_before + 3_650 * DAY,
        },
        issued_at: not_before,
        hour_known: true,
        steered: false,
        registered_at: not_before,
        window: Span {
            from: start,
            to: start + 900,
        },
        basis: Basis::Table(1),
        cause: Cause::Registration,
        follows: Some(0.5),
        successor: None,
    }
}

#[test]
fn a_life_of_ten_years_is_kept_outside_the_table_and_may_return() {
    let index = Index::new(HashKey::new([3; 16]));
    let certificate = overflow();
    let fingerprint = index.fingerprint(&certificate.id);
    let issuer = &certificate.id.key_identifier;
    let put = |certificate: &Certificate| {
        let entry = Entry::new(0, certificate);
        assert!(
            pack(&entry, &index.shared_fields).is_none()
                || certificate.window.from.unix() < 1_800_000_000
        );
        index.put(issuer, fingerprint, entry, |_, _| Kept::New);
    };
    put(&certificate);
    assert_eq!((index.len(), index.table.len()), (1, 0));
    let window = |entry: &Entry| entry.window;
    assert_eq!(index.get(fingerprint, window), Some(certificate.window));
    // It is polled, and then moved closer: the poll record is kept.
    let asked_at = certificate.issued_at + DAY;
    index.poll(fingerprint, asked_at, |_| 6 * HOUR, |_| ());
    let near = Certificate {
        window: Span {
            from: asked_at + DAY,
            to: asked_at + DAY + 900,
        },
        ..certificate.clone()
    };
    put(&near);
    assert_eq!((index.len(), index.table.len()), (1, 1));
    let last = index.get(fingerprint, |entry| entry.polls().last());
    assert_eq!(last, Some(Some(asked_at)));
    put(&certificate);
    assert_eq!((index.len(), index.table.len()), (1, 0));
    assert_eq!(index.get(fingerprint, |entry| entry.polls().last()), last);
    assert!(index.remove(&certificate.id).is_some());
    assert_eq!(index.len(), 0);
}

#[test]
fn a_poll_of_a_certificate_that_nobody_knows_leaves_nothing() {
    let index = Index::new(HashKey::new([3; 16]));
    let fingerprint = index.fingerprint(&id(1));
    let now = Timestamp::from_unix(1_795_219_200);
    assert_eq!(index.poll(fingerprint, now, |_| 6 * HOUR, |_| ()), None);
    assert_eq!(index.len(), 0);
}

#[test]
fn what_was_never_polled_is_silent_to_the_last_bit() {
    let mut entry = Entry::new(0, &overflow());
    let later = entry.registered_at + 2 * DAY;
    entry.expected = entry.expects(entry.registered_at, later, 0.98);
    assert_eq!(entry.expected.follows, Some(SILENT_FOLLOWS));
    assert_eq!(entry.polls(), Polls::default());
}

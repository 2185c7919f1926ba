//! An index written to a file and read back, and invalid files.

use super::SnapshotExtras;
use super::certificates::Index;
use super::entry::{Entry, Kept};
use super::fingerprint::Fingerprint;
use super::packing_tests::{id, overflow, plain};
use super::snapshot::{Header, Snapshot};
use super::unusable::Unusable;
use crate::domain::certificate::hash::HashKey;
use crate::domain::certificate::{Cause, Certificate};
use crate::domain::moves::incident::{Incident, Kind};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{DAY, HOUR, Timestamp};
use crate::store::Publication;

const KEY: HashKey = HashKey::new([3; 16]);
const HEADER: Header = Header {
    claims: -5,
    position: 77,
    written_at: Timestamp::from_unix(1_795_219_200),
};

/// Two thousand certificates of several kinds, some polled, and one valid for ten years.
fn filled() -> Index {
    let index = Index::new(KEY);
    let certificates = (0..2_000).map(|n| Certificate {
        follows: Some(f64::from(n % 7) / 10.0),
        cause: if n % 9 == 0 {
            Cause::Incident(4)
        } else {
            Cause::Registration
        },
        ..plain(n)
    });
    for certificate in certificates.chain([overflow()]) {
        let fingerprint = index.fingerprint(&certificate.id);
        let issuer = &certificate.id.key_identifier;
        let entry = Entry::new(0, &certificate);
        let asked_at = entry.registered_at + DAY;
        index.put(issuer, fingerprint, entry, |_, _| Kept::New);
        if fingerprint.number() >> 32 & 1 == 0 {
            index.poll(fingerprint, asked_at, |_| 6 * HOUR, |_| ());
        }
    }
    index
}

/// An incident, and a publication of two documents, one longer than the read buffer.
fn extras() -> SnapshotExtras {
    let now = HEADER.written_at;
    let mut incident = Incident::draft(Kind::Drill, CaName::default(), "one".to_owned(), now);
    incident.id = 4;
    incident.budget_per_hour = Some(0.1);
    SnapshotExtras {
        incidents: vec![incident],
        awaited: vec![(Fingerprint::of(u128::MAX), Fingerprint::of(1 << 40))],
        publication: Some(Publication {
            number: 9,
            made_at: now,
            documents: vec![
                ("ranking.json".to_owned(), vec![7; 100_000].into()),
                ("empty".to_owned(), Vec::new().into()),
            ],
        }),
    }
}

fn written(index: &Index, extras: &SnapshotExtras) -> Vec<u8> {
    let mut bytes = Vec::new();
    let count = index.write_to(&mut bytes, HEADER, extras).unwrap();
    assert_eq!(count, index.len() as u64);
    bytes
}

fn read(bytes: &[u8]) -> Result<Snapshot, Unusable> {
    Index::read_from(bytes, bytes.len() as u64, Some(KEY))
}

fn entries(index: &Index) -> Vec<(Fingerprint, Option<Entry>)> {
    let ids = (0..2_000).map(|n| plain(n).id).chain([overflow().id]);
    ids.map(|id| {
        let fingerprint = index.fingerprint(&id);
        (fingerprint, index.get(fingerprint, Entry::clone))
    })
    .collect()
}

#[test]
fn an_index_is_read_back_from_its_file() {
    let index = filled();
    let snapshot = read(&written(&index, &extras())).unwrap();
    assert_eq!(snapshot.header, HEADER);
    assert_eq!(snapshot.extras, extras());
    assert!(snapshot.key == KEY);
    let again = snapshot.index;
    assert_eq!(again.len(), 2_001);
    assert_eq!(entries(&again), entries(&index));
    assert!(entries(&again).iter().all(|(_, entry)| entry.is_some()));
    let issuer = &overflow().id.key_identifier;
    assert!(again.knows_issuer(issuer));
    // It continues as the other would have.
    for n in 0..2_000 {
        assert!(again.remove(&plain(n).id).is_some(), "{n}");
    }
    assert_eq!(again.get(again.fingerprint(&id(1)), |_| ()), None);
    assert!(again.remove(&overflow().id).is_some());
    assert!(!again.knows_issuer(issuer));
    assert_eq!(again.len(), 0);
}

#[test]
fn a_file_names_its_database_and_holds_only_the_index() {
    let bytes = written(&filled(), &SnapshotExtras::default());
    let snapshot = Index::read_from(&bytes[..], bytes.len() as u64, None).unwrap();
    assert!(snapshot.key == KEY);
    assert_eq!(snapshot.extras, SnapshotExtras::default());
    assert_eq!(entries(&snapshot.index), entries(&filled()));
}

#[test]
fn a_file_that_is_cut_off_or_changed_anywhere_is_none() {
    let bytes = written(&filled(), &extras());
    for length in [
        0,
        7,
        8,
        30,
        60,
        1_000,
        90_000,
        bytes.len() / 2,
        bytes.len() - 24,
        bytes.len() - 1,
    ] {
        let outcome = read(&bytes[..length]);
        assert!(matches!(outcome, Err(Unusable::Damaged)), "{length}");
    }
    let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
    assert!(matches!(read(&longer), Err(Unusable::Damaged)));
    for at in (48..bytes.len()).step_by(bytes.len() / 300) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(matches!(read(&changed), Err(Unusable::Damaged)), "{at}");
    }
}

#[test]
fn a_file_of_another_version_or_database_is_none() {
    let bytes = written(&filled(), &extras());
    let mut newer = bytes.clone();
    newer[7] += 1;
    assert!(matches!(read(&newer), Err(Unusable::OtherVersion)));
    let other = Index::read_from(&bytes[..], bytes.len() as u64, Some(HashKey::new([4; 16])));
    assert!(matches!(other, Err(Unusable::OtherKey)));
    let mut no_file_of_ours = bytes;
    no_file_of_ours[0] = b'X';
    assert!(matches!(read(&no_file_of_ours), Err(Unusable::Damaged)));
}

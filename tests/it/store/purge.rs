use super::*;

use offpeak::domain::policy::ca::CaName;

on_all_stores!(
    expired_certificates_leave_their_count,
    two_purgers_count_once
);

fn ca_of(issuer: &KeyIdentifier) -> CaName {
    if issuer.octets()[0] == 1 {
        "one"
    } else {
        "two"
    }
    .parse()
    .unwrap()
}

/// What certificates tell, summed by hand.
fn counts(observations: &[Observation]) -> BTreeMap<(String, i64, u32, bool), u64> {
    let mut counts = BTreeMap::new();
    for one in observations {
        assert_eq!(
            (one.kind, one.source),
            (Kind::Issued, Source::Registrations)
        );
        let key = (
            one.ca.as_str().to_owned(),
            one.at.unix(),
            one.seconds,
            one.steered,
        );
        *counts.entry(key).or_default() += one.count;
    }
    counts
}

fn expected(certificates: &[Certificate]) -> BTreeMap<(String, i64, u32, bool), u64> {
    let mut counts = BTreeMap::new();
    for one in certificates {
        let unit = if one.hour_known { 60 } else { 86_400 };
        let at = one.issued_at.slot(i64::from(unit)) * i64::from(unit);
        let ca = ca_of(&one.id.key_identifier).as_str().to_owned();
        *counts.entry((ca, at, unit, one.steered)).or_default() += 1;
    }
    counts
}

async fn expired_certificates_leave_their_count(url: &str) {
    let (store, other) = (open(url).await, open(url).await);
    let given = certificates(0..200);
    register(&*store, &given).await;
    let mut reader = Reader::load(&*other).await;
    // Number 100 ends at this very second: it has not expired before it.
    let before = certificate(100).validity.not_after;
    assert_eq!(store.purge_expired(before, 60, &ca_of).await.unwrap(), 60);
    assert_eq!(store.purge_expired(before, 60, &ca_of).await.unwrap(), 40);
    assert_eq!(store.purge_expired(before, 60, &ca_of).await.unwrap(), 0);
    // Whoever follows counted them when they came.
    reader.follow(&*other).await;
    assert_eq!(reader.observations(), []);
    assert_eq!(reader.certificates.len(), 200);
    // Whoever comes later has only this.
    let mut late = Reader::load(&*other).await;
    assert_eq!(late.certificates.len(), 100);
    assert_eq!(counts(&late.observations()), expected(&given[..100]));
    register(&*store, &certificates(300..301)).await;
    late.position = FeedPosition::default();
    late.batches.clear();
    late.follow(&*other).await;
    assert_eq!(late.observations(), []);
}

async fn two_purgers_count_once(url: &str) {
    let store = open(url).await;
    let given = certificates(0..400);
    register(&*store, &given).await;
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            let mut purged = 0;
            loop {
                let step = patiently(|| store.purge_expired(Timestamp::MAX, 37, &ca_of)).await;
                if step == 0 {
                    return purged;
                }
                purged += step;
            }
        }));
    }
    let mut purged = 0;
    for task in tasks {
        purged += task.await.unwrap();
    }
    assert_eq!(purged, 400);
    let read = Reader::load(&*store).await;
    assert_eq!(counts(&read.observations()), expected(&given));
    assert_eq!(read.certificates.len(), 0);
}

//! All certificates by ranges, each of which is read for itself.

use super::*;

on_all_stores!(
    a_range_begins_after_one_certid_and_ends_with_another,
    ranges_are_of_about_one_size_and_hold_each_certificate_once,
);

const ALWAYS: Span = Span {
    from: Timestamp::MIN,
    to: Timestamp::MAX,
};

/// Of three issuers: one begins its serials as Let's Encrypt does, one counts, one has a single certificate.
fn of_three_issuers() -> Vec<Certificate> {
    let of = |issuer: u8, serial: Vec<u8>| CertId {
        key_identifier: KeyIdentifier::new(&[issuer; 20]).unwrap(),
        serial: Serial::new(&serial).unwrap(),
    };
    let random = (0..2_000_u32).map(|n| {
        let scattered = n.wrapping_mul(2_654_435_761).to_be_bytes();
        let mut serial = vec![3 + scattered[0] % 4];
        serial.extend(scattered.repeat(4));
        of(9, serial)
    });
    let counted = (1..=500_u16).map(|n| of(5, n.to_be_bytes().to_vec()));
    let ids = random.chain(counted).chain([of(7, vec![0x80; 20])]);
    (0..)
        .zip(ids)
        .map(|(n, id)| Certificate {
            id,
            ..certificate(n)
        })
        .collect()
}

/// All pages of a range, by each of the ways to ask.
async fn walked(store: &dyn Store, range: &IdRange, limit: u32) -> Vec<Certificate> {
    let now = Timestamp::from_unix(START);
    let mut walks: [Vec<Certificate>; 3] = Default::default();
    for (way, found) in walks.iter_mut().enumerate() {
        let mut left = range.clone();
        loop {
            let page = match way {
                0 => store.certificates_in(&left, limit).await,
                1 => store.incident_certificates_in(1, &left, limit).await,
                _ => {
                    let asked = store.certificates_with_windows_in(ALWAYS, now, &left, limit);
                    asked.await
                }
            }
            .unwrap();
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            left.after = Some(last.id.clone());
            found.extend(page);
        }
    }
    let [first, second, third] = walks;
    assert_eq!(first, second);
    assert_eq!(first, third);
    first
}

async fn ranges_are_of_about_one_size_and_hold_each_certificate_once(url: &str) {
    const PARTS: u32 = 16;
    let store = open(url).await;
    assert_eq!(store.cuts(PARTS).await.unwrap(), []);
    let mut all = of_three_issuers();
    register(&*store, &all).await;
    let ids: Vec<CertId> = all.iter().map(|one| one.id.clone()).collect();
    store.add_incident_certificates(1, &ids).await.unwrap();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let cuts = store.cuts(PARTS).await.unwrap();
    assert!(
        cuts.is_sorted() && cuts.len() <= 3 * PARTS as usize,
        "{cuts:?}"
    );
    let ranges = IdRange::between(cuts);
    let mut found = Vec::new();
    let mut largest = 0;
    for range in &ranges {
        let part = walked(&*store, range, 70).await;
        largest = largest.max(part.len());
        found.extend(part);
    }
    assert_eq!(found, all);
    // 2,000 in sixteen parts are 125.
    assert!(largest <= 250, "{largest}");
    // What is registered after the cuts were made lies in one of the ranges.
    let late = certificate(1_000_000);
    register(&*store, std::slice::from_ref(&late)).await;
    let mut holding = 0;
    for range in &ranges {
        let part = store.certificates_in(range, 10_000).await.unwrap();
        holding += part.iter().filter(|one| one.id == late.id).count();
    }
    assert_eq!(holding, 1);
}

async fn a_range_begins_after_one_certid_and_ends_with_another(url: &str) {
    let store = open(url).await;
    let mut all = of_three_issuers();
    all.truncate(60);
    all.extend(certificates(0..60));
    register(&*store, &all).await;
    let ids: Vec<CertId> = all.iter().map(|one| one.id.clone()).collect();
    store.add_incident_certificates(1, &ids).await.unwrap();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    for (from, to) in [(0, 1), (0, 119), (10, 70), (58, 60), (30, 30), (70, 10)] {
        let range = IdRange {
            after: Some(all[from].id.clone()),
            until: Some(all[to].id.clone()),
        };
        let want = all.get(from + 1..=to).unwrap_or_default();
        for limit in [1, 7, 200] {
            assert_eq!(walked(&*store, &range, limit).await, want, "{from} to {to}");
        }
    }
    // Neither end need be registered.
    store
        .remove(&[all[10].id.clone(), all[20].id.clone()])
        .await
        .unwrap();
    let range = IdRange {
        after: Some(all[10].id.clone()),
        until: Some(all[20].id.clone()),
    };
    assert_eq!(walked(&*store, &range, 4).await, all[11..20]);
    let head = IdRange {
        after: None,
        until: Some(all[2].id.clone()),
    };
    assert_eq!(walked(&*store, &head, 100).await, all[..3]);
}

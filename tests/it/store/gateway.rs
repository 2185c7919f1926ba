//! What gateways keep.

use super::*;

use offpeak::domain::certificate::Successor;
use offpeak::store::{Claim, Failures, FailuresChange, IssuedFor, Succession};

on_all_stores!(
    a_claim_is_found_by_each_of_its_urls_until_it_is_dropped,
    a_key_takes_the_place_of_the_one_before,
    a_successor_is_swapped_by_one,
    failures_are_kept_until_one_succeeds_or_they_are_old,
    failures_of_several_gateways_add_up_without_deadlocks,
    for_whom_a_certificate_was_issued_is_kept,
    what_is_old_is_swept,
);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(START + seconds)
}

fn issued(serial: u32, names: u128, not_after: i64) -> IssuedFor {
    IssuedFor {
        id: certificate(serial).id,
        account: u128::MAX,
        names,
        each_name: vec![1, u64::MAX],
        not_after: at(not_after),
    }
}

fn claim(order: u128, expires_at: Option<i64>) -> Claim {
    Claim {
        order,
        replaces: "aYhb.AQ".to_owned(),
        predecessor: certificate(1).id,
        expires_at: expires_at.map(at),
    }
}

async fn a_key_takes_the_place_of_the_one_before(url: &str) {
    let store = open(url).await;
    assert_eq!(store.account_key(7).await.unwrap(), None);
    store.set_account_key(7, b"old", at(0)).await.unwrap();
    store.set_account_key(7, b"new", at(1)).await.unwrap();
    assert_eq!(
        store.account_key(7).await.unwrap().as_deref(),
        Some(&b"new"[..])
    );
    assert_eq!(store.account_key(8).await.unwrap(), None);
}

async fn for_whom_a_certificate_was_issued_is_kept(url: &str) {
    let store = open(url).await;
    for one in [
        issued(1, 5, 100),
        issued(2, 5, 200),
        issued(3, 6, 300),
        issued(4, 6, 300),
    ] {
        store.note_issued(&one).await.unwrap();
        // Again, for somebody else: the first stays.
        store
            .note_issued(&IssuedFor { account: 0, ..one })
            .await
            .unwrap();
    }
    assert_eq!(
        store.issued_for(&certificate(2).id).await.unwrap(),
        Some(issued(2, 5, 200))
    );
    assert_eq!(store.issued_for(&certificate(9).id).await.unwrap(), None);
    let last = async |names, now| store.issued_last(u128::MAX, names, at(now)).await.unwrap();
    assert_eq!(last(5, 0).await, [certificate(2).id]);
    assert_eq!(last(5, 200).await, []);
    assert_eq!(last(7, 0).await, []);
    let mut of_one_second = last(6, 0).await;
    of_one_second.sort();
    assert_eq!(of_one_second, [certificate(3).id, certificate(4).id]);
    assert!(issued(1, 5, 1).shares_a_name(&[u64::MAX]));
    assert!(!issued(1, 5, 1).shares_a_name(&[2, 3]));
}

async fn a_claim_is_found_by_each_of_its_urls_until_it_is_dropped(url: &str) {
    let store = open(url).await;
    let first = claim(1, Some(10));
    store.claim(&first, &[1, 11, 12], at(0)).await.unwrap();
    store
        .claim(&claim(2, Some(20)), &[2, 12], at(1))
        .await
        .unwrap();
    for url in [1, 11, 12] {
        assert_eq!(store.claim_at(url).await.unwrap(), Some(first.clone()));
    }
    assert_eq!(
        store.claim_on(&first.predecessor).await.unwrap(),
        Some(claim(2, Some(20)))
    );
    assert_eq!(store.expired_claims(at(10), 9).await.unwrap(), []);
    assert_eq!(store.expired_claims(at(30), 9).await.unwrap().len(), 2);
    assert_eq!(
        store.expired_claims(at(30), 1).await.unwrap(),
        std::slice::from_ref(&first)
    );
    store.settle_claim(1).await.unwrap();
    assert_eq!(store.claim_at(11).await.unwrap(), Some(claim(1, None)));
    store.drop_claim(2).await.unwrap();
    assert_eq!(store.claim_at(2).await.unwrap(), None);
    assert_eq!(store.expired_claims(at(30), 9).await.unwrap(), []);
}

async fn a_successor_is_swapped_by_one(url: &str) {
    let store = open(url).await;
    register(&*store, &[certificate(1)]).await;
    let id = certificate(1).id;
    let named = |name: String| Successor::Order(name);
    let before = named("before".to_owned());
    assert_eq!(store.succeed(&id, &before).await.unwrap(), Succession::Set);
    let swaps = (0..6).map(|number| {
        let (store, id, before) = (Arc::clone(&store), id.clone(), before.clone());
        tokio::spawn(async move {
            let to = Successor::Order(number.to_string());
            store.resucceed(&id, &before, Some(&to)).await.unwrap()
        })
    });
    let mut won = 0;
    for swap in swaps.collect::<Vec<_>>() {
        won += usize::from(swap.await.unwrap());
    }
    assert_eq!(won, 1);
    let present = store
        .certificate(&id)
        .await
        .unwrap()
        .unwrap()
        .successor
        .unwrap();
    let by = Successor::By(certificate(2).id);
    assert!(store.resucceed(&id, &present, Some(&by)).await.unwrap());
    assert!(!store.resucceed(&id, &present, None).await.unwrap());
    assert!(store.resucceed(&id, &by, None).await.unwrap());
    let certificate = store.certificate(&id).await.unwrap().unwrap();
    assert_eq!(certificate.successor, None);
}

async fn failures_are_kept_until_one_succeeds_or_they_are_old(url: &str) {
    let store = open(url).await;
    let failures = |account, count, seconds| Failures {
        account,
        names: u128::MAX,
        count,
        at: at(seconds),
    };
    let change = |succeeded, of: Failures| FailuresChange {
        account: of.account,
        names: of.names,
        succeeded,
        failed: of.count,
        at: of.at,
    };
    let kept = [failures(1, 3, 10), failures(2, 1, 30), failures(3, 9, 20)];
    let told = kept.map(|of| change(false, of));
    let mut now = store.keep_failures(&told, at(0)).await.unwrap();
    now.sort_unstable_by_key(|of| of.account);
    assert_eq!(now, kept);
    let of = async |since, limit| store.failures_since(at(since), limit).await.unwrap();
    assert_eq!(of(11, 9).await, [kept[1], kept[2]]);
    assert_eq!(of(0, 1).await, [kept[1]]);
    // One that succeeded, one more that comes late, and one on top of what is too old.
    let more = [
        change(true, failures(2, 0, 40)),
        change(false, failures(3, 1, 15)),
        change(false, failures(1, 2, 50)),
    ];
    store.keep_failures(&more, at(11)).await.unwrap();
    assert_eq!(of(0, 9).await, [failures(1, 2, 50), failures(3, 10, 20)]);
    // One that succeeded and failed again; nobody touches the other, which is too old then.
    let again = [change(true, failures(1, 1, 60))];
    let now = store.keep_failures(&again, at(21)).await.unwrap();
    assert_eq!(now, [failures(1, 1, 60)]);
    assert_eq!(of(0, 9).await, now);
}

/// Eight writers tell of the same accounts, each in an order of its own, some with successes and a sweep of
/// what is old amid them.
async fn failures_of_several_gateways_add_up_without_deadlocks(url: &str) {
    const ACCOUNTS: u128 = 60;
    const ROUNDS: i64 = 6;
    let store = open(url).await;
    let change = |account, succeeded, seconds| FailuresChange {
        account,
        names: 7,
        succeeded,
        failed: u32::from(!succeeded),
        at: at(seconds),
    };
    // The first half is old, and swept while others tell of it: it comes and goes.
    let old: Vec<_> = (0..ACCOUNTS).map(|n| change(n, false, 0)).collect();
    store.keep_failures(&old, at(0)).await.unwrap();
    let writers = (0..8_u128).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let mut changes: Vec<_> = (0..2 * ACCOUNTS)
                    .map(|n| change(n, n < ACCOUNTS && (n + writer) % 5 == 0, 100 + round))
                    .collect();
                if writer % 2 == 0 {
                    changes.reverse();
                }
                // Two that wait for each other are an error to one of them.
                store.keep_failures(&changes, at(50)).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut counts = std::collections::HashMap::new();
    for of in store.failures_since(at(0), 1_000).await.unwrap() {
        counts.insert(of.account, of.count);
    }
    // Nobody succeeded in the second half: no failure is lost.
    let whole: Vec<_> = (ACCOUNTS..2 * ACCOUNTS).map(|n| counts.get(&n)).collect();
    assert!(whole.iter().all(|count| *count == Some(&48)), "{whole:?}");
    // In the first half each writer's successes drop what was there.
    assert!((0..ACCOUNTS).all(|n| counts.get(&n).is_none_or(|count| *count < 48)));
}

async fn what_is_old_is_swept(url: &str) {
    let store = open(url).await;
    store.set_account_key(1, b"k", at(0)).await.unwrap();
    store.set_account_key(2, b"k", at(9)).await.unwrap();
    store.note_issued(&issued(1, 5, 0)).await.unwrap();
    store.note_issued(&issued(2, 5, 9)).await.unwrap();
    store.claim(&claim(1, None), &[1], at(0)).await.unwrap();
    store.claim(&claim(2, None), &[2], at(9)).await.unwrap();
    store.sweep_gateway(at(5)).await.unwrap();
    assert_eq!(store.account_key(1).await.unwrap(), None);
    assert!(store.account_key(2).await.unwrap().is_some());
    assert_eq!(store.issued_for(&certificate(1).id).await.unwrap(), None);
    assert!(
        store
            .issued_for(&certificate(2).id)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(store.claim_at(1).await.unwrap(), None);
    assert!(store.claim_at(2).await.unwrap().is_some());
}

use super::*;

use offpeak::domain::allocation::table::StoredTable;
use offpeak::domain::certificate::Successor;
use offpeak::store::{Sharing, Succession};

on_all_stores!(
    a_handle_says_how_it_is_shared_and_counts_its_queries,
    a_registration_names_whom_it_replaces,
    an_existing_row_is_returned_as_it_is,
    bulk_registrations_distinguish_new_from_known,
    certificates_are_read_together,
    certificates_come_in_pages_in_order,
    every_field_comes_back,
    removed_certificates_are_gone,
    successors_are_named_once_and_taken_back,
    tables_are_stored_once,
    the_hash_key_stays,
    twice_in_one_registration_is_one_certificate,
);

async fn every_field_comes_back(url: &str) {
    let store = open(url).await;
    let mut odd = certificate(11);
    odd.id = CertId {
        key_identifier: KeyIdentifier::new(&[0; 64]).unwrap(),
        serial: Serial::new(&[0]).unwrap(),
    };
    odd.validity.not_before = Timestamp::MIN;
    odd.validity.not_after = Timestamp::MAX;
    odd.successor = Some(Successor::By(id(4)));
    let mut ordered = certificate(12);
    ordered.successor = Some(Successor::Order("https://ca.example/order/ü".to_owned()));
    let given = [
        certificate(1),
        certificate(2),
        certificate(5),
        certificate(7),
        odd,
        ordered,
    ];
    assert_eq!(
        register(&*store, &given).await,
        vec![Registered::Inserted; 6]
    );
    for certificate in &given {
        let stored = store.certificate(&certificate.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(certificate));
    }
    assert_eq!(store.certificate(&id(3)).await.unwrap(), None);
    // A handle opened later reads the same.
    let read = Reader::load(&*open(url).await).await;
    assert_eq!(
        read.certificates,
        given
            .iter()
            .map(|one| (one.id.clone(), one.clone()))
            .collect()
    );
}

async fn an_existing_row_is_returned_as_it_is(url: &str) {
    let store = open(url).await;
    register(&*store, &certificates(0..1)).await;
    let mut again = certificate(0);
    again.window.from = again.window.from + 1;
    let want = Registered::Existing(Box::new(certificate(0)));
    assert_eq!(
        register(&*store, std::slice::from_ref(&again)).await,
        std::slice::from_ref(&want)
    );
    let outcomes = register(&*store, &[again, certificate(1)]).await;
    assert_eq!(outcomes, [want, Registered::Inserted]);
    assert_eq!(
        store.certificate(&id(0)).await.unwrap(),
        Some(certificate(0))
    );
}

async fn certificates_are_read_together(url: &str) {
    let store = open(url).await;
    let given: Vec<Certificate> = (0..5).map(certificate).collect();
    register(&*store, &given).await;
    let asked: Vec<CertId> = [4, 9, 1, 2, 8].map(id).into();
    let before = store.queries_run();
    let mut found = store.certificates(&asked).await.unwrap();
    assert_eq!(store.queries_run() - before, 1);
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let mut want = vec![given[1].clone(), given[2].clone(), given[4].clone()];
    want.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found, want);
    assert_eq!(store.certificates(&[]).await.unwrap(), []);
}

async fn twice_in_one_registration_is_one_certificate(url: &str) {
    let store = open(url).await;
    let mut second = certificate(1);
    second.window.from = second.window.from + 1;
    let first = Registered::Existing(Box::new(certificate(1)));
    let outcomes = register(&*store, &[certificate(1), second.clone()]).await;
    assert_eq!(outcomes, [Registered::Inserted, first.clone()]);
    let outcomes = register(&*store, &[second.clone(), certificate(2), second]).await;
    assert_eq!(outcomes, [first.clone(), Registered::Inserted, first]);
    assert_eq!(register(&*store, &[]).await, []);
}

async fn bulk_registrations_distinguish_new_from_known(url: &str) {
    let store = open(url).await;
    // Lengths around the sizes of statements, and more than one statement's worth.
    let mut next = 0;
    for length in [1, 2, 63, 64, 65, 128, 1_000] {
        let given = certificates(next..next + length);
        assert_eq!(inserted(&register(&*store, &given).await), given.len());
        next += length;
    }
    let third: Vec<Certificate> = certificates(0..12_500)
        .into_iter()
        .filter(|one| u32::from_be_bytes(one.id.serial.octets()[..4].try_into().unwrap()) % 2 == 0)
        .rev()
        .collect();
    let outcomes = register(&*store, &third).await;
    for (given, outcome) in third.iter().zip(&outcomes) {
        let serial = u32::from_be_bytes(given.id.serial.octets()[..4].try_into().unwrap());
        let want = if serial < next {
            Registered::Existing(Box::new(given.clone()))
        } else {
            Registered::Inserted
        };
        assert_eq!(*outcome, want, "serial {serial}");
    }
    let read = Reader::load(&*store).await;
    assert_eq!(read.certificates.len(), 1_323 + (12_500 - 1_323) / 2);
}

async fn certificates_come_in_pages_in_order(url: &str) {
    let store = open(url).await;
    register(&*store, &certificates(0..25)).await;
    let mut want: Vec<CertId> = (0..25).map(id).collect();
    want.sort();
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .certificates_in(&IdRange::after(after), 10)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        pages.push(page.len());
        for certificate in page {
            assert_eq!(certificate.id, want.remove(0));
        }
    }
    assert_eq!(pages, [10, 10, 5]);
    assert_eq!(store.certificates_in(&IdRange::ALL, 0).await.unwrap(), []);
}

async fn removed_certificates_are_gone(url: &str) {
    let store = open(url).await;
    register(&*store, &certificates(0..10)).await;
    assert_eq!(store.remove(&[]).await.unwrap(), 0);
    assert_eq!(store.remove(&[id(99)]).await.unwrap(), 0);
    let removed = store.remove(&[id(3), id(4), id(3), id(99)]).await.unwrap();
    assert_eq!(removed, 2);
    assert_eq!(store.remove(&[id(3)]).await.unwrap(), 0);
    assert_eq!(store.certificate(&id(3)).await.unwrap(), None);
    assert_eq!(Reader::load(&*store).await.certificates.len(), 8);
    let mut again = certificate(3);
    again.window.from = again.window.from + 1;
    assert_eq!(
        register(&*store, std::slice::from_ref(&again)).await,
        [Registered::Inserted]
    );
    assert_eq!(store.certificate(&id(3)).await.unwrap(), Some(again));
    let all: Vec<CertId> = (0..10).map(id).collect();
    assert_eq!(store.remove(&all).await.unwrap(), 9);
}

async fn successors_are_named_once_and_taken_back(url: &str) {
    let store = open(url).await;
    register(&*store, &certificates(0..2)).await;
    let by = Successor::By(id(1));
    let order = Successor::Order("order/1".to_owned());
    assert_eq!(
        store.succeed(&id(9), &by).await.unwrap(),
        Succession::Unknown
    );
    assert_eq!(store.unsucceed(&id(9)).await.unwrap(), None);
    assert_eq!(store.unsucceed(&id(0)).await.unwrap(), Some(false));
    for (first, second) in [(&by, &order), (&order, &by)] {
        assert_eq!(store.succeed(&id(0), first).await.unwrap(), Succession::Set);
        assert_eq!(
            store.succeed(&id(0), first).await.unwrap(),
            Succession::Same
        );
        assert_eq!(
            store.succeed(&id(0), second).await.unwrap(),
            Succession::Other(first.clone())
        );
        let stored = store.certificate(&id(0)).await.unwrap().unwrap();
        assert_eq!(stored.successor.as_ref(), Some(first));
        assert_eq!(store.unsucceed(&id(0)).await.unwrap(), Some(true));
    }
    assert_eq!(
        store.certificate(&id(0)).await.unwrap(),
        Some(certificate(0))
    );
    assert_eq!(
        store.certificate(&id(1)).await.unwrap(),
        Some(certificate(1))
    );
}

async fn tables_are_stored_once(url: &str) {
    let store = open(url).await;
    assert_eq!(store.table(7).await.unwrap(), None);
    let table = |number, bytes: &[u8], needed_until| StoredTable {
        number,
        bytes: Arc::from(bytes),
        needed_until: Timestamp::from_unix(needed_until),
    };
    let first = [table(7, &[1, 2], 100), table(-3, &[], 100)];
    let second = [table(7, &[9], 200)];
    for (tables, certificates) in [
        (&first[..], certificates(0..1)),
        (&second[..], certificates(1..2)),
        (&second[..], certificates(2..9)),
    ] {
        let registration = Registration {
            tables,
            certificates: &certificates,
            ..Registration::default()
        };
        store.register(registration).await.unwrap();
    }
    assert_eq!(store.table(7).await.unwrap().as_deref(), Some(&[1, 2][..]));
    assert_eq!(store.table(-3).await.unwrap().as_deref(), Some(&[][..]));
    // Kept as long as the last certificate that was drawn from it.
    store.sweep_tables(Timestamp::from_unix(101)).await.unwrap();
    assert_eq!(store.table(-3).await.unwrap(), None);
    assert_eq!(store.table(7).await.unwrap().as_deref(), Some(&[1, 2][..]));
    store.sweep_tables(Timestamp::from_unix(201)).await.unwrap();
    assert_eq!(store.table(7).await.unwrap(), None);
}

async fn a_registration_names_whom_it_replaces(url: &str) {
    let store = open(url).await;
    let old = certificates(0..3);
    let first = Registration {
        certificates: &old,
        ..Registration::default()
    };
    store.register(first).await.unwrap();
    let kept = Successor::Order("order".to_owned());
    store.succeed(&old[2].id, &kept).await.unwrap();
    let new = certificates(10..13);
    let successions: Vec<(CertId, Successor)> = old
        .iter()
        .zip(&new)
        .map(|(old, new)| (old.id.clone(), Successor::By(new.id.clone())))
        .chain([(id(99), Successor::By(new[0].id.clone()))])
        .collect();
    let second = Registration {
        certificates: &new,
        successions: &successions,
        ..Registration::default()
    };
    store.register(second).await.unwrap();
    // One that was there has had its say.
    let late = certificates(20..21);
    let nothing_new = Registration {
        certificates: &new[..1],
        successions: &[(late[0].id.clone(), Successor::By(new[0].id.clone()))],
        ..Registration::default()
    };
    register(&*store, &late).await;
    store.register(nothing_new).await.unwrap();
    let row = store.certificate(&late[0].id).await.unwrap().unwrap();
    assert_eq!(row.successor, None);
    for (n, want) in [
        (0, Successor::By(new[0].id.clone())),
        (1, Successor::By(new[1].id.clone())),
        (2, kept),
    ] {
        let row = store.certificate(&id(n)).await.unwrap().unwrap();
        assert_eq!(row.successor, Some(want));
    }
}

async fn the_hash_key_stays(url: &str) {
    let key = open(url).await.hash_key().await.unwrap();
    assert!(open(url).await.hash_key().await.unwrap() == key);
    let elsewhere = connect("sqlite::memory:", Migrations::Apply).await.unwrap();
    assert!(elsewhere.hash_key().await.unwrap() != key);
}

async fn a_handle_says_how_it_is_shared_and_counts_its_queries(url: &str) {
    let store = open(url).await;
    let want = if url.starts_with("sqlite") {
        Sharing::IndexIsComplete
    } else {
        Sharing::AskOnMiss
    };
    assert_eq!(store.sharing(), want);
    let before = store.queries_run();
    store.certificate(&id(1)).await.unwrap();
    assert_eq!(store.queries_run(), before + 1);
}

#[tokio::test]
async fn a_store_that_is_away_is_unavailable() {
    // Port 9 (discard) is not served here; were it, it would not speak PostgreSQL.
    let error = connect("postgres://nobody@127.0.0.1:9/none", Migrations::Apply)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Unavailable {
                query: "connect",
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_lost_connection_comes_back() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let store = open(&database.url()).await;
    register(&*store, &certificates(0..1)).await;
    let mut other = open_connection(&database.url()).await;
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut other)
    .await
    .unwrap();
    // Each broken connection is found out at most once; there are ten at most.
    let mut failures = 0;
    let row = loop {
        match store.certificate(&id(0)).await {
            Ok(row) => break row,
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
                failures += 1;
                assert!(failures <= 10, "{error:?}");
            }
        }
    };
    assert_eq!(row, Some(certificate(0)));
}

#[tokio::test]
async fn memory_is_one_database_for_all_uses_of_a_handle() {
    let store = connect("sqlite::memory:", Migrations::RefusePending)
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for task in 0..8 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            register(&*store, &certificates(task * 100..task * 100 + 100)).await;
            store.certificate(&id(task * 100)).await.unwrap().unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(Reader::load(&*store).await.certificates.len(), 800);
}

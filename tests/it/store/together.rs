//! Several processes at once.

use super::*;

on_all_stores!(
    a_certificate_is_inserted_by_one_process,
    bulk_registrations_do_not_lock_each_other_out,
);

/// One CertID, many processes, each with a window of its own: one is told that it inserted, the
/// others are told the window that it gave.
async fn a_certificate_is_inserted_by_one_process(url: &str) {
    const PROCESSES: u32 = 4;
    const CERTIFICATES: u32 = 50;
    let mut tasks = Vec::new();
    for process in 0..PROCESSES {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            let mut outcomes = Vec::new();
            for serial in 0..CERTIFICATES {
                let mut given = certificate(serial);
                given.window.from = given.window.from + i64::from(process);
                let outcome = register(&*store, &[given.clone()]).await.remove(0);
                outcomes.push(match outcome {
                    Registered::Existing(row) => (false, *row),
                    Registered::Inserted => (true, given),
                });
            }
            outcomes
        }));
    }
    let mut told: Vec<Vec<(bool, Certificate)>> = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap());
    }
    let store = open(url).await;
    for serial in 0..CERTIFICATES {
        let stored = store.certificate(&id(serial)).await.unwrap().unwrap();
        let outcomes: Vec<_> = told.iter().map(|one| &one[serial as usize]).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.0).count(), 1);
        assert!(outcomes.iter().all(|outcome| outcome.1 == stored));
    }
}

/// The same thousands of certificates in different orders, and removals between them.
async fn bulk_registrations_do_not_lock_each_other_out(url: &str) {
    const PROCESSES: u32 = 4;
    let mut tasks = Vec::new();
    for process in 0..PROCESSES {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            let mut given = certificates(0..3_000);
            let turn = given.len() / 4 * process as usize;
            given.rotate_left(turn);
            if process % 2 == 1 {
                given.reverse();
            }
            let first = inserted(&register(&*store, &given).await);
            let ids: Vec<CertId> = given[..500].iter().map(|one| one.id.clone()).collect();
            let removed = usize::try_from(patiently(|| store.remove(&ids)).await).unwrap();
            let second = inserted(&register(&*store, &given).await);
            (first + second, removed)
        }));
    }
    let mut balance = (0, 0);
    for task in tasks {
        let (inserted, removed) = task.await.unwrap();
        balance = (balance.0 + inserted, balance.1 + removed);
    }
    // Each insertion told and each removal told is one.
    assert_eq!(balance.0 - balance.1, 3_000);
    let read = Reader::load(&*open(url).await).await;
    assert_eq!(read.certificates.len(), 3_000);
}

//! How fast rows go in and out: printed, not asserted. Run with `--ignored --nocapture`, and with
//! `--release` for numbers that mean something.

use super::*;
use std::time::Instant;

async fn rates(url: &str) {
    const ROWS: u32 = 1_000_000;
    const STEP: u32 = 10_000;
    let store = open(url).await;
    let mut spent = 0.0;
    for from in (0..ROWS).step_by(STEP as usize) {
        // Serials are random in life: neighbours in a file are not neighbours in the index.
        let given: Vec<Certificate> = (from..from + STEP)
            .map(|serial| Certificate {
                id: id(serial.wrapping_mul(2_654_435_761)),
                ..certificate(serial)
            })
            .collect();
        let start = Instant::now();
        assert_eq!(inserted(&register(&*store, &given).await), given.len());
        spent += start.elapsed().as_secs_f64();
    }
    let start = Instant::now();
    let mut told = 0_u32;
    store
        .load(Load::Everything, Timestamp::MIN, &mut |_| told += 1)
        .await
        .unwrap();
    assert_eq!(told, ROWS);
    println!(
        "{}: {:.0} inserted a second, {:.0} loaded a second",
        url.split(':').next().unwrap(),
        f64::from(ROWS) / spent,
        f64::from(ROWS) / start.elapsed().as_secs_f64()
    );
    incident_rates(&*store, ROWS, STEP).await;
    let start = Instant::now();
    let given = certificates(ROWS..ROWS + 200);
    for one in &given {
        register(&*store, std::slice::from_ref(one)).await;
    }
    println!(
        "one at a time: {:.0} a second",
        200.0 / start.elapsed().as_secs_f64()
    );
}

async fn incident_rates(store: &dyn Store, rows: u32, step: u32) {
    let spread = |serial: u32| id(serial.wrapping_mul(2_654_435_761));
    let start = Instant::now();
    for from in (0..rows).step_by(step as usize) {
        let ids: Vec<CertId> = (from..from + step).map(spread).collect();
        let added = store.add_incident_certificates(1, &ids).await.unwrap();
        assert_eq!(added, u64::from(step));
    }
    let added = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut found = 0;
    let mut last = None;
    loop {
        let page = store
            .incident_certificates_in(1, &IdRange::after(last), step)
            .await
            .unwrap();
        found += page.len();
        let Some(one) = page.last() else { break };
        last = Some(one.id.clone());
    }
    assert_eq!(found, rows as usize);
    let paged = start.elapsed().as_secs_f64();
    let start = Instant::now();
    for from in (0..rows).step_by(step as usize) {
        let moves: Vec<Move> = (from..from + step)
            .map(|serial| Move {
                id: spread(serial),
                ..moved_by(serial, 900)
            })
            .collect();
        let taken = store.move_windows(&[], &moves).await.unwrap();
        assert_eq!(taken, u64::from(step));
    }
    let moved = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let now = Timestamp::from_unix(START);
    let never = Span {
        from: Timestamp::MIN,
        to: now,
    };
    let none = store
        .certificates_with_windows_in(never, now, &IdRange::ALL, step)
        .await
        .unwrap();
    assert_eq!(none, []);
    println!(
        "a million members: added in {added:.1} s, paged in {paged:.1} s; windows: moved in \
         {moved:.1} s, none found in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    let start = Instant::now();
    let records: Vec<(u128, u64)> = (0..u64::from(rows))
        .map(|n| (u128::from(n).wrapping_mul(u128::MAX / 0x0123_4567), n))
        .collect();
    for records in records.chunks(step as usize) {
        store.note_polls(records, now).await.unwrap();
    }
    println!(
        "a million records of polls: {:.1} s",
        start.elapsed().as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn sqlite_rates() {
    let database = crate::support::fresh_sqlite();
    rates(&database.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn postgres_rates() {
    if let Some(database) = crate::support::fresh_postgres().await {
        rates(&database.url()).await;
    }
}

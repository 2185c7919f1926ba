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
        .load(Timestamp::MIN, &mut |_| told += 1)
        .await
        .unwrap();
    assert_eq!(told, ROWS);
    println!(
        "{}: {:.0} inserted a second, {:.0} loaded a second",
        url.split(':').next().unwrap(),
        f64::from(ROWS) / spent,
        f64::from(ROWS) / start.elapsed().as_secs_f64()
    );
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

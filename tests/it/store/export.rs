//! Counts for peers.

use super::*;

use offpeak::store::{ClosedBatch, ExportPlace, SourceStep};

on_all_stores!(
    a_peer_gets_each_count_once_however_late_it_was_closed,
    a_place_of_another_database_is_refused,
    places_are_given_once_where_many_ask,
);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(START + seconds)
}

fn line(minute: i64, vantage: Option<&str>) -> Observation {
    Observation {
        vantage: vantage.map(str::to_owned),
        ..Observation::plain(at(minute * 60), Source::Log, Kind::Attempt, 1)
    }
}

async fn close(store: &dyn Store, batch: i64) {
    let closed = ClosedBatch {
        sha256: [7; 32],
        report: "{}".to_owned(),
    };
    store
        .close_batch(batch, None, &closed, at(0))
        .await
        .unwrap();
}

/// What there is after a place, in pages of `limit`, as minutes; and the place behind it.
async fn read(
    store: &dyn Store,
    mut after: Option<ExportPlace>,
    limit: u32,
) -> (Vec<i64>, Option<ExportPlace>) {
    let mut told = Vec::new();
    loop {
        let page = store.export(after.as_ref(), limit).await.unwrap().unwrap();
        assert!(page.observations.len() <= limit as usize);
        let minutes = page.observations.iter();
        told.extend(minutes.map(|one| (one.at - at(0)) / 60));
        assert!(!page.more || after.as_ref() != Some(&page.next));
        after = Some(page.next);
        if !page.more {
            return (told, after);
        }
    }
}

async fn a_peer_gets_each_count_once_however_late_it_was_closed(url: &str) {
    let store = open(url).await;
    // Opened first, and closed last.
    let early = store.open_batch(at(0)).await.unwrap();
    let rows: Vec<Observation> = (0..7).map(|minute| line(minute, None)).collect();
    store.append_batch(early, &rows).await.unwrap();
    let rows = [line(10, None), line(11, Some("front"))];
    let step = SourceStep {
        source: "log",
        from: None,
        to: "1",
        observations: &rows,
        counted: &[],
    };
    assert!(store.advance_source(step, at(0)).await.unwrap());
    let (first, after) = read(&*store, None, 1).await;
    assert_eq!(first, [11, 10]);
    let (nothing, after) = read(&*store, after, 1).await;
    assert_eq!(nothing, [0_i64; 0]);
    close(&*store, early).await;
    // From a peer, and so not handed on.
    let taken = store.open_batch(at(0)).await.unwrap();
    let rows = [line(20, Some("peer:a")), line(21, Some("peering"))];
    store.append_batch(taken, &rows).await.unwrap();
    close(&*store, taken).await;
    for limit in [1, 2, 3, 100] {
        let (rest, _) = read(&*store, after.clone(), limit).await;
        assert_eq!(rest, [6, 5, 4, 3, 2, 1, 0, 21], "{limit}");
    }
    // What is swept between two pages takes nothing of the next batch's with it.
    let page = store.export(after.as_ref(), 3).await.unwrap().unwrap();
    store
        .sweep_observations(at(6 * 60), at(0), at(0))
        .await
        .unwrap();
    let (rest, _) = read(&*store, Some(page.next), 3).await;
    assert_eq!(rest, [21]);
}

async fn a_place_of_another_database_is_refused(url: &str) {
    let store = open(url).await;
    let (_, after) = read(&*store, None, 10).await;
    let here = after.unwrap();
    assert!(store.export(Some(&here), 1).await.unwrap().is_some());
    let elsewhere = ExportPlace {
        database: "0123456789abcdef".to_owned(),
        ..here.clone()
    };
    assert_eq!(store.export(Some(&elsewhere), 1).await.unwrap(), None);
    // Further than anybody was told: the database was put back.
    let ahead = ExportPlace { batch: 9, ..here };
    assert_eq!(store.export(Some(&ahead), 1).await.unwrap(), None);
}

async fn places_are_given_once_where_many_ask(url: &str) {
    let store = open(url).await;
    for minute in 0..20 {
        let batch = store.open_batch(at(0)).await.unwrap();
        store
            .append_batch(batch, &[line(minute, None)])
            .await
            .unwrap();
        close(&*store, batch).await;
    }
    let (one, two, three) = tokio::join!(
        read(&*store, None, 3),
        read(&*store, None, 7),
        read(&*store, None, 50)
    );
    let all: Vec<i64> = (0..20).collect();
    for (mut told, _) in [one, two, three] {
        told.sort_unstable();
        assert_eq!(told, all);
    }
}

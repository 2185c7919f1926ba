//! What configured sources keep.

use super::*;

use offpeak::store::SourceStep;

on_all_stores!(
    a_cursor_and_its_counts_go_together,
    the_time_of_counting_is_in_the_feed,
    of_two_that_read_the_same_source_one_counts,
    the_counts_of_a_source_can_be_removed_and_counted_again,
    what_was_counted_is_known_until_it_is_swept,
);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(START + seconds)
}

fn step<'a>(from: Option<&'a str>, to: &'a str, observations: &'a [Observation]) -> SourceStep<'a> {
    SourceStep {
        source: "log",
        from,
        to,
        observations,
        counted: &[],
    }
}

async fn counted(store: &dyn Store) -> u64 {
    let mut sum = 0;
    let mut on_change = |change| {
        if let Change::Observed { observation, .. } = change {
            sum += observation.count;
        }
    };
    let from = Timestamp::from_unix(0);
    store
        .load(Load::WithoutCertificates, from, &mut on_change)
        .await
        .unwrap();
    sum
}

async fn a_cursor_and_its_counts_go_together(url: &str) {
    let store = open(url).await;
    let beginning = store
        .load(Load::WithoutCertificates, at(0), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(store.source_cursor("log").await.unwrap(), None);
    let rows = [Observation::plain(at(0), Source::Log, Kind::Attempt, 7)];
    assert!(
        store
            .advance_source(step(None, "1", &rows), at(0))
            .await
            .unwrap()
    );
    assert!(
        store
            .advance_source(step(Some("1"), "2", &rows), at(1))
            .await
            .unwrap()
    );
    assert_eq!(
        store.source_cursor("log").await.unwrap().as_deref(),
        Some("2")
    );
    assert_eq!(store.source_cursor("other").await.unwrap(), None);
    assert_eq!(counted(&*store).await, 14);
    let mut heard = 0;
    let mut on_change = |change| heard += u64::from(matches!(change, Change::Observed { .. }));
    store.changes(beginning, &mut on_change).await.unwrap();
    assert_eq!(heard, 2);
}

async fn of_two_that_read_the_same_source_one_counts(url: &str) {
    let store = open(url).await;
    let rows = [Observation::plain(at(0), Source::Log, Kind::Attempt, 1)];
    let begin = || store.advance_source(step(None, "1", &rows), at(0));
    let (one, other) = tokio::join!(begin(), begin());
    assert_ne!(one.unwrap(), other.unwrap());
    let go_on = || store.advance_source(step(Some("1"), "2", &rows), at(0));
    let (one, other) = tokio::join!(go_on(), go_on());
    assert_ne!(one.unwrap(), other.unwrap());
    assert!(
        !store
            .advance_source(step(Some("1"), "3", &rows), at(0))
            .await
            .unwrap()
    );
    assert!(
        !store
            .advance_source(step(None, "3", &rows), at(0))
            .await
            .unwrap()
    );
    assert_eq!(counted(&*store).await, 2);
}

async fn what_was_counted_is_known_until_it_is_swept(url: &str) {
    let store = open(url).await;
    let hashes = [1, 5, u64::MAX];
    let first = SourceStep {
        counted: &hashes,
        ..step(None, "1", &[])
    };
    assert!(store.advance_source(first, at(0)).await.unwrap());
    let again = SourceStep {
        counted: &[5, 6],
        ..step(Some("1"), "2", &[])
    };
    assert!(store.advance_source(again, at(100)).await.unwrap());
    let known = store.counted_by_source("log", &[u64::MAX, 6, 5, 4]).await;
    assert_eq!(known.unwrap(), [5, 6, u64::MAX]);
    assert_eq!(
        store.counted_by_source("other", &hashes).await.unwrap(),
        [0; 0]
    );
    store.sweep_sources(at(50)).await.unwrap();
    let known = store.counted_by_source("log", &[1, 5, 6, u64::MAX]).await;
    assert_eq!(known.unwrap(), [6]);
    assert_eq!(
        store.source_cursor("log").await.unwrap().as_deref(),
        Some("2")
    );
}

async fn the_time_of_counting_is_in_the_feed(url: &str) {
    let store = open(url).await;
    let beginning = store
        .load(Load::WithoutCertificates, at(0), &mut |_| {})
        .await
        .unwrap();
    // Of a time long past, by a source and by a request.
    let rows = |count| {
        [Observation::plain(
            at(-9_000),
            Source::Log,
            Kind::Attempt,
            count,
        )]
    };
    let first = rows(1);
    let moved = store.advance_source(step(None, "1", &first), at(70));
    assert!(moved.await.unwrap());
    let batch = store.open_batch(at(80)).await.unwrap();
    store.append_batch(batch, &rows(2)).await.unwrap();
    let closed = offpeak::store::ClosedBatch {
        sha256: [7; 32],
        report: String::new(),
    };
    store
        .close_batch(batch, None, &closed, at(90))
        .await
        .unwrap();
    for from_the_feed in [false, true] {
        let mut told = Vec::new();
        let mut on_change = |change| {
            if let Change::Observed {
                counted_at,
                observation,
                ..
            } = change
            {
                told.push((observation.count, counted_at));
            }
        };
        if from_the_feed {
            store.changes(beginning, &mut on_change).await.unwrap();
        } else {
            let load = store.load(Load::WithoutCertificates, at(-10_000), &mut on_change);
            load.await.unwrap();
        }
        told.sort_unstable();
        assert_eq!(told, [(1, Some(at(70))), (2, Some(at(90)))]);
    }
}

async fn the_counts_of_a_source_can_be_removed_and_counted_again(url: &str) {
    let store = open(url).await;
    let row = |vantage: &str, count| Observation {
        vantage: Some(vantage.to_owned()),
        ..Observation::plain(at(0), Source::Log, Kind::Attempt, count)
    };
    // Under its name and those of its vantages, and of one that is called alike.
    let rows = [row("peer:a", 1), row("peer:a:x", 2), row("peer:ab", 4)];
    let told = SourceStep {
        counted: &[9],
        ..step(None, "1", &rows)
    };
    assert!(store.advance_source(told, at(0)).await.unwrap());
    let mut seen = store
        .load(Load::WithoutCertificates, at(-10), &mut |_| {})
        .await
        .unwrap();
    let forgotten = store.forget_source("log", "peer:a").await.unwrap();
    assert_eq!(forgotten, Some(2));
    assert_eq!(counted(&*store).await, 4);
    assert_eq!(store.source_cursor("log").await.unwrap(), None);
    let counted_before = store.counted_by_source("log", &[9]).await.unwrap();
    assert_eq!(counted_before, Vec::<u64>::new());
    // Whoever follows hears of it once.
    for want in [1, 0] {
        let mut forgettings = 0;
        let mut on_change = |change| {
            forgettings += usize::from(matches!(change, Change::Forgotten(_)));
        };
        seen = store.changes(seen, &mut on_change).await.unwrap();
        assert_eq!(forgettings, want);
    }
    assert_eq!(store.forget_source("log", "peer:a").await.unwrap(), None);
    assert!(
        store
            .advance_source(step(None, "1", &rows), at(1))
            .await
            .unwrap()
    );
}

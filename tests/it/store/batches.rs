use super::*;

use offpeak::store::{BatchKey, ClosedBatch, Closing, ImportProgress};

on_all_stores!(
    a_batch_counts_once_it_is_closed,
    a_file_is_forgotten_with_what_it_brought,
    a_key_counts_once,
    every_field_of_an_observation_comes_back,
    observations_of_a_registration_count_at_once,
    of_two_that_close_under_one_key_one_counts,
    progress_is_durable_with_what_it_brought,
    sweeping_drops_what_is_old,
);

const NOW: Timestamp = Timestamp::from_unix(START);

fn closed(report: &str) -> ClosedBatch {
    ClosedBatch {
        sha256: [7; 32],
        report: report.to_owned(),
    }
}

async fn close(store: &dyn Store, batch: i64, key: Option<&BatchKey>) -> Closing {
    let report = format!("batch {batch}");
    let closed = closed(&report);
    patiently(|| store.close_batch(batch, key, &closed, NOW)).await
}

/// A batch of these minutes, open.
async fn filled(store: &dyn Store, minutes: std::ops::Range<i64>) -> i64 {
    let batch = store.open_batch(NOW).await.unwrap();
    let rows: Vec<Observation> = minutes.map(observation).collect();
    store.append_batch(batch, &rows).await.unwrap();
    batch
}

async fn every_field_of_an_observation_comes_back(url: &str) {
    let store = open(url).await;
    let full = Observation {
        at: Timestamp::MIN,
        seconds: u32::MAX,
        kind: Kind::Failed,
        count: u64::MAX,
        ca: "example".parse().unwrap(),
        source: Source::Observer,
        endpoint: Some("new-order".to_owned()),
        error_type: Some("urn:ietf:params:acme:error:dns".to_owned()),
        vantage: Some("Zürich".to_owned()),
        latency_ms: Some(0.1),
        dimension: Some("secondary".to_owned()),
        latency_p95_ms: Some(1e9),
        reported_by: Some("token:oslo".to_owned()),
        stands_for: 26.5,
        steered: true,
    };
    let given = [observation(0), full, observation(2)];
    let batch = store.open_batch(NOW).await.unwrap();
    store.append_batch(batch, &given).await.unwrap();
    assert_eq!(close(&*store, batch, None).await, Closing::Counted);
    let read = Reader::load(&*store).await;
    assert_eq!(read.batches, BTreeMap::from([(batch, given.to_vec())]));
}

async fn a_batch_counts_once_it_is_closed(url: &str) {
    let (store, other) = (open(url).await, open(url).await);
    let mut reader = Reader::load(&*other).await;
    let batch = filled(&*store, 0..150).await;
    let rows: Vec<Observation> = (150..160).map(observation).collect();
    store.append_batch(batch, &rows).await.unwrap();
    store.append_batch(batch, &[]).await.unwrap();
    assert_eq!(reader.follow(&*other).await, 0);
    assert_eq!(Reader::load(&*other).await.told, 0);
    assert_eq!(close(&*store, batch, None).await, Closing::Counted);
    assert_eq!(reader.follow(&*other).await, 160);
    let want: Vec<Observation> = (0..160).map(observation).collect();
    assert_eq!(reader.batches[&batch], want);
    // Only what reaches past the given instant is loaded.
    let late = Reader::load_from(&*other, Timestamp::from_unix(START + 100 * 60)).await;
    assert_eq!(late.batches[&batch], want[100..]);
    // Closed is closed.
    for error in [
        store.append_batch(batch, &rows).await.unwrap_err(),
        store
            .close_batch(batch, None, &closed(""), NOW)
            .await
            .unwrap_err(),
        store.append_batch(batch + 1_000, &rows).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::NotOpen(_)), "{error:?}");
    }
}

async fn a_key_counts_once(url: &str) {
    let store = open(url).await;
    let keys = [
        BatchKey::Request("2f".to_owned()),
        BatchKey::File([0x2f; 32]),
    ];
    for key in &keys {
        assert_eq!(store.closed_batch(key).await.unwrap(), None);
        let first = filled(&*store, 0..3).await;
        assert_eq!(close(&*store, first, Some(key)).await, Closing::Counted);
        let answer = closed(&format!("batch {first}"));
        assert_eq!(store.closed_batch(key).await.unwrap(), Some(answer.clone()));
        let second = filled(&*store, 0..3).await;
        assert_eq!(
            close(&*store, second, Some(key)).await,
            Closing::Repeated(answer)
        );
        // The first again, as a client would whose answer was lost: it stays counted.
        assert_eq!(close(&*store, first, Some(key)).await, Closing::Counted);
    }
    let read = Reader::load(&*store).await;
    assert_eq!(read.batches.len(), keys.len());
    assert_eq!(read.observations().len(), 6);
}

async fn of_two_that_close_under_one_key_one_counts(url: &str) {
    let key = BatchKey::Request("together".to_owned());
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let (store, key) = (open(url).await, key.clone());
        let batch = filled(&*store, 0..2).await;
        tasks.push(tokio::spawn(async move {
            close(&*store, batch, Some(&key)).await
        }));
    }
    let mut counted = 0;
    for task in tasks {
        counted += usize::from(task.await.unwrap() == Closing::Counted);
    }
    assert_eq!(counted, 1);
    let store = open(url).await;
    assert_eq!(Reader::load(&*store).await.observations().len(), 2);
}

async fn observations_of_a_registration_count_at_once(url: &str) {
    let (store, other) = (open(url).await, open(url).await);
    let mut reader = Reader::load(&*other).await;
    let observations = [observation(1), observation(2)];
    let certificates = certificates(0..2);
    let registration = Registration {
        certificates: &certificates,
        observations: &observations,
        ..Registration::default()
    };
    assert_eq!(inserted(&store.register(registration).await.unwrap()), 2);
    reader.follow(&*other).await;
    assert_eq!(reader.observations(), observations);
    assert_eq!(reader.certificates.len(), 2);
}

fn progress(file: u8, line: u64, complete: bool) -> ImportProgress {
    ImportProgress {
        sha256: [file; 32],
        offset: line * 100,
        line,
        complete,
        report: format!("{{\"accepted\":{line}}}"),
    }
}

async fn progress_is_durable_with_what_it_brought(url: &str) {
    let store = open(url).await;
    assert_eq!(store.import_progress(&[1; 32]).await.unwrap(), None);
    for (line, complete) in [(1, false), (2, false), (3, true)] {
        let progress = progress(1, line, complete);
        let registration = Registration {
            progress: Some(&progress),
            ..Registration::default()
        };
        store.register(registration).await.unwrap();
        assert_eq!(
            open(url).await.import_progress(&[1; 32]).await.unwrap(),
            Some(progress)
        );
    }
    assert_eq!(store.import_progress(&[2; 32]).await.unwrap(), None);
}

async fn a_file_is_forgotten_with_what_it_brought(url: &str) {
    let (store, other) = (open(url).await, open(url).await);
    let (first, second) = (progress(1, 1, false), progress(2, 1, true));
    for (progress, minute) in [(&first, 1), (&first, 2), (&second, 3)] {
        let observations = [observation(minute)];
        let registration = Registration {
            observations: &observations,
            progress: Some(progress),
            ..Registration::default()
        };
        store.register(registration).await.unwrap();
    }
    let batch = filled(&*store, 4..6).await;
    let key = BatchKey::File([3; 32]);
    close(&*store, batch, Some(&key)).await;
    let mut reader = Reader::load(&*other).await;
    assert_eq!(reader.observations().len(), 5);
    assert!(!store.forget_file(&[9; 32]).await.unwrap());
    reader.follow(&*other).await;
    assert_eq!(reader.forgotten, 0);
    assert!(store.forget_file(&[1; 32]).await.unwrap());
    assert!(store.forget_file(&[3; 32]).await.unwrap());
    reader.follow(&*other).await;
    assert!(reader.forgotten > 0);
    assert_eq!(store.import_progress(&[1; 32]).await.unwrap(), None);
    assert_eq!(store.import_progress(&[2; 32]).await.unwrap(), Some(second));
    assert_eq!(store.closed_batch(&key).await.unwrap(), None);
    assert_eq!(Reader::load(&*other).await.observations(), [observation(3)]);
    assert!(!store.forget_file(&[1; 32]).await.unwrap());
}

async fn sweeping_drops_what_is_old(url: &str) {
    let store = open(url).await;
    let request = BatchKey::Request("kept for a week".to_owned());
    let (file, empty) = (BatchKey::File([1; 32]), BatchKey::File([2; 32]));
    let abandoned = filled(&*store, 0..2).await;
    for (minutes, key) in [
        (0..10, Some(&request)),
        (0..10, Some(&file)),
        (0..0, Some(&empty)),
        (0..5, None),
    ] {
        let batch = filled(&*store, minutes).await;
        close(&*store, batch, key).await;
    }
    // Nothing is old yet, but for the file that brought nothing.
    store.sweep_observations(NOW, NOW, NOW).await.unwrap();
    store
        .append_batch(abandoned, &[observation(3)])
        .await
        .unwrap();
    assert_eq!(Reader::load(&*store).await.observations().len(), 25);
    assert_eq!(store.closed_batch(&empty).await.unwrap(), None);
    // Five minutes are past.
    store
        .sweep_observations(NOW + 5 * 60, NOW + 1, NOW)
        .await
        .unwrap();
    let read = Reader::load(&*store).await;
    let left: Vec<Observation> = (5..10).map(observation).collect();
    assert_eq!(read.observations(), [&left[..], &left[..]].concat());
    let error = store
        .append_batch(abandoned, &[observation(3)])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NotOpen(_)), "{error:?}");
    assert!(store.closed_batch(&request).await.unwrap().is_some());
    // A request's key goes with its time, a file's with its observations.
    store
        .sweep_observations(NOW + 5 * 60, NOW, NOW + 1)
        .await
        .unwrap();
    assert_eq!(store.closed_batch(&request).await.unwrap(), None);
    assert!(store.closed_batch(&file).await.unwrap().is_some());
    assert_eq!(Reader::load(&*store).await.observations().len(), 10);
    store
        .sweep_observations(NOW + 10 * 60, NOW, NOW + 1)
        .await
        .unwrap();
    assert_eq!(store.closed_batch(&file).await.unwrap(), None);
    assert_eq!(Reader::load(&*store).await.told, 0);
}

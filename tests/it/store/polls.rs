use super::*;

on_all_stores!(
    a_record_that_stays_is_no_news,
    records_come_back,
    records_not_written_for_long_are_swept,
    two_who_write_do_not_lock_each_other_out,
);

const NOW: Timestamp = Timestamp::from_unix(START);

async fn note(store: &dyn Store, records: &[(u128, u64)], now: Timestamp) {
    patiently(|| store.note_polls(records, now)).await;
}

async fn records_come_back(url: &str) {
    let (store, other) = (open(url).await, open(url).await);
    let mut reader = Reader::load(&*other).await;
    note(&*store, &[], NOW).await;
    assert_eq!(reader.follow(&*other).await, 0);
    let extremes = [
        (0, 1 << 63),
        (1, u64::MAX),
        (u128::MAX, 0),
        (1 << 127, (1 << 63) - 1),
        (0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, 1),
    ];
    note(&*store, &extremes, NOW).await;
    let mut want = BTreeMap::from(extremes);
    reader.follow(&*other).await;
    assert_eq!(reader.polls, want);
    // The last of several counts, and takes the place of what was there.
    note(&*store, &[(7, 1), (1, 5), (7, 2), (1, 6)], NOW).await;
    want.extend([(7, 2), (1, 6)]);
    reader.follow(&*other).await;
    assert_eq!(reader.polls, want);
    // More than one statement's worth.
    let many: Vec<(u128, u64)> = (1..=25_000_u64)
        .map(|n| (u128::from(n).wrapping_mul(u128::MAX / 25_001), n))
        .collect();
    note(&*store, &many, NOW).await;
    want.extend(many);
    reader.follow(&*other).await;
    assert_eq!(reader.polls, want);
    assert_eq!(Reader::load(&*other).await.polls, want);
}

async fn a_record_that_stays_is_no_news(url: &str) {
    let store = open(url).await;
    note(&*store, &[(1, 1), (2, 2)], NOW).await;
    let mut reader = Reader::load(&*store).await;
    // Where several servers commit one after the other, a load is told its last hour again.
    reader.follow(&*store).await;
    reader.polls.clear();
    note(&*store, &[(1, 1), (2, 3)], NOW + 1).await;
    let told = reader.follow(&*store).await;
    assert_eq!(told, 1);
    assert_eq!(reader.polls[&2], 3);
}

async fn records_not_written_for_long_are_swept(url: &str) {
    let store = open(url).await;
    // More than one step's worth, old and new ones mixed.
    let record = |n: u64| (u128::from(n) << 64, n);
    let old: Vec<(u128, u64)> = (0..25_000).map(record).collect();
    let new: Vec<(u128, u64)> = old.iter().copied().skip(1).step_by(2).collect();
    note(&*store, &old, NOW).await;
    // Half of them again, at the next second and unchanged; and once more by a clock behind it.
    note(&*store, &new, NOW + 1).await;
    note(&*store, &new[..10], NOW).await;
    store.sweep_polls(NOW).await.unwrap();
    let all: BTreeMap<u128, u64> = old.into_iter().collect();
    assert_eq!(Reader::load(&*store).await.polls, all);
    store.sweep_polls(NOW + 1).await.unwrap();
    let kept: BTreeMap<u128, u64> = new.into_iter().collect();
    assert_eq!(Reader::load(&*store).await.polls, kept);
    store.sweep_polls(NOW + 2).await.unwrap();
    assert_eq!(Reader::load(&*store).await.polls, BTreeMap::new());
}

async fn two_who_write_do_not_lock_each_other_out(url: &str) {
    const PROCESSES: u64 = 4;
    let mut tasks = Vec::new();
    for process in 0..PROCESSES {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            for round in 0..5 {
                let mut records: Vec<(u128, u64)> =
                    (0..2_000).map(|n| (n, process * 10 + round)).collect();
                if process % 2 == 1 {
                    records.reverse();
                }
                note(&*store, &records, NOW + 1).await;
                store.sweep_polls(NOW).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let read = Reader::load(&*open(url).await).await.polls;
    assert_eq!(read.len(), 2_000);
    // One write is the last, of all records: none is made of two.
    let last: BTreeSet<u64> = read.into_values().collect();
    assert_eq!(last.len(), 1, "{last:?}");
    assert!(last.iter().all(|record| record % 10 == 4));
}

//! How often the database is asked for a registration.

use super::*;
use crate::sharded::Sharded;

/// A single registration is one round trip, and what the outbox tells of it is in that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_and_its_outbox_row_are_one_round_trip() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let double = Sharded::before(&database.url()).await;
    let store = open(&double.url()).await;
    let mut reader = Reader::load(&*store).await;
    // Hints are said by another connection, a connection that comes back is asked whether it is in step, and
    // one that is opened meanwhile is told how long to wait.
    let beside = [
        "place_outbox",
        "statement_timestamp",
        "feed_look",
        "SET idle_in_transaction_session_timeout",
    ];
    let mut fewest = usize::MAX;
    for n in 0..12 {
        let before = double.asked().len();
        let outcomes = register(&*store, &certificates(n..n + 1)).await;
        let asked = double.asked();
        assert_eq!(outcomes, [Registered::Inserted]);
        let own: Vec<_> = asked[before..]
            .iter()
            .filter(|text| !beside.iter().any(|word| text.contains(word)))
            .collect();
        let is_it = |text: &&Arc<str>| text.contains("register_certificate");
        assert!(own.iter().all(is_it), "{own:#?}");
        // Once for each connection of the pool it is prepared before.
        fewest = fewest.min(own.len());
    }
    assert_eq!(fewest, 1);
    reader.follow(&*store).await;
    assert_eq!(reader.certificates.get(&id(7)), Some(&certificate(7)));

    // One that is there already is asked for twice: what is stored is told.
    let before = double.asked().len();
    let outcomes = register(&*store, &certificates(1..2)).await;
    assert!(matches!(outcomes[..], [Registered::Existing(_)]));
    let asked = double.asked();
    let runs = asked[before..]
        .iter()
        .filter(|text| text.contains("certificate"));
    assert!(runs.count() >= 2, "{asked:?}");
}

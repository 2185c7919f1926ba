//! Others get their turns of a thread while many certificates are registered on it.

use std::future::poll_fn;
use std::pin::pin;

use super::*;

/// Enough that the store's few statements wake it far less often.
const MANY: u64 = 5_000;

#[tokio::test]
async fn others_get_turns_while_many_are_drawn_and_taken_in() {
    let database = Database::Sqlite(fresh_sqlite());
    let service = replica(&database, Config::default()).await;
    let batch: Vec<Submission> = (0..MANY).map(ninety_days).collect();
    let mut registering = pin!(service.engine.register(&batch, None));
    let mut turns = 0;
    let outcome = poll_fn(|context| {
        turns += 1;
        registering.as_mut().poll(context)
    });
    outcome.await.unwrap();
    assert_eq!(service.engine.certificates_indexed(), 5_000);
    // One for 64 certificates drawn, and one for 64 taken in.
    assert!(turns > 2 * MANY / 64, "{turns}");
}

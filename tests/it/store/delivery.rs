//! Messages to webhooks.

use super::*;

on_all_stores!(a_message_has_one_holder_until_it_is_delivered);

async fn a_message_has_one_holder_until_it_is_delivered(url: &str) {
    let (one, other) = (open(url).await, open(url).await);
    let now = Timestamp::from_unix(START);
    let claim = async |store: &dyn Store, holder: i64, now: Timestamp| {
        store
            .claim_delivery("hook message", holder, now, now + 60)
            .await
            .unwrap()
    };
    assert!(claim(&*one, 1, now).await);
    assert!(!claim(&*other, 2, now + 59).await);
    // Whoever holds it may hold it for longer.
    assert!(claim(&*one, 1, now + 59).await);
    assert!(!claim(&*other, 2, now + 61).await);
    // It has died.
    assert!(claim(&*other, 2, now + 119).await);
    assert!(!claim(&*one, 1, now + 119).await);
    other.end_delivery("hook message", now + 120).await.unwrap();
    for (store, holder) in [(&one, 1), (&other, 2)] {
        assert!(!claim(&**store, holder, now + 10 * DAY).await);
    }
    assert!(
        one.claim_delivery("hook another", 1, now, now + 60)
            .await
            .unwrap()
    );
    // What it was about is over, and forgotten.
    assert!(claim(&*one, 1, now + 40 * DAY).await);
}

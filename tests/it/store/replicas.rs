//! The list of the processes that share a database.

use super::*;
use offpeak::store::Replica;

on_all_stores!(replicas_are_listed_until_they_leave_or_are_long_silent);

fn replica(id: i64, address: &str, heard_at: Timestamp) -> Replica {
    Replica {
        id,
        name: "host".to_owned(),
        address: address.to_owned(),
        software: "0.1.0".to_owned(),
        started_at: Timestamp::from_unix(START),
        heard_at,
        fed_at: heard_at - 3,
    }
}

async fn replicas_are_listed_until_they_leave_or_are_long_silent(url: &str) {
    let (one, other) = (open(url).await, open(url).await);
    let now = Timestamp::from_unix(START);
    let (a, b) = (replica(1, "http://a", now), replica(2, "http://b", now));
    one.note_replica(&a).await.unwrap();
    if url.starts_with("sqlite:") {
        // One process has the file: nobody needs a list.
        assert_eq!(one.replicas().await.unwrap(), []);
        return one.end_replica(1).await.unwrap();
    }
    other.note_replica(&b).await.unwrap();
    assert_eq!(one.replicas().await.unwrap(), [a, b.clone()]);
    let a = replica(1, "http://a", now + 10);
    one.note_replica(&a).await.unwrap();
    assert_eq!(other.replicas().await.unwrap(), [a.clone(), b.clone()]);
    // Another under the same name and address stands beside it while it may still be there …
    let restarted = replica(3, "http://a", now + 60);
    one.note_replica(&restarted).await.unwrap();
    assert_eq!(other.replicas().await.unwrap().len(), 3);
    // … and takes its place once it is silent.
    let restarted = replica(3, "http://a", now + 71);
    one.note_replica(&restarted).await.unwrap();
    assert_eq!(one.replicas().await.unwrap(), [restarted.clone(), b]);
    // Nobody has heard of `b` for a day.
    let later = replica(3, "http://a", now + DAY + 1);
    one.note_replica(&later).await.unwrap();
    assert_eq!(one.replicas().await.unwrap(), [later]);
    other.end_replica(3).await.unwrap();
    assert_eq!(one.replicas().await.unwrap(), []);
}

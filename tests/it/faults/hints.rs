//! Hints between processes: lost, never missed.

use offpeak::domain::time::Timestamp;
use offpeak::store::{Migrations, Publication, Store, StoreError, connect};

use super::*;

/// Writes something of which others are told.
async fn write(store: &dyn Store) {
    try_to_write(store).await.unwrap();
}

async fn try_to_write(store: &dyn Store) -> Result<Option<i64>, StoreError> {
    let publication = Publication {
        number: 0,
        made_at: Timestamp::from_unix(now()),
        documents: Vec::new(),
    };
    store.publish(&publication, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_comes_from_others_and_not_from_oneself() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let store = async || connect(&database.url(), Migrations::Apply).await.unwrap();
    let (writing, hearing) = (store().await, store().await);
    // One that has just begun to listen may have missed something.
    within(writing.hinted()).await;
    within(hearing.hinted()).await;
    let own = tokio::spawn({
        let writing = Arc::clone(&writing);
        async move { writing.hinted().await }
    });
    for _ in 0..3 {
        write(&*writing).await;
        within(hearing.hinted()).await;
    }
    // Said before, and heard by it as well: it would have ended.
    assert!(!own.is_finished());
    write(&*hearing).await;
    within(own).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_listener_listens_again_by_itself() {
    let Some(mut database) = DatabaseServer::start().await else {
        return;
    };
    let store = async |url: String| connect(&url, Migrations::Apply).await.unwrap();
    let (writing, hearing) = (store(database.url()).await, store(database.url()).await);
    within(hearing.hinted()).await;
    let mut again = tokio::spawn({
        let hearing = Arc::clone(&hearing);
        async move { hearing.hinted().await }
    });
    database.kill();
    database.start_again().await;
    // What was written while nobody listened may be news.
    within(&mut again).await.unwrap();
    // The first to use a connection that died is told so; there were a few.
    within(async { while try_to_write(&*writing).await.is_err() {} }).await;
    within(hearing.hinted()).await;
}

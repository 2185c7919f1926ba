use super::*;

use offpeak::store::Publication;

on_all_stores!(
    of_several_publishers_one_publishes,
    publications_come_back_newest_first,
    the_newest_hundred_are_kept,
);

fn publication(minute: i64, documents: &[(&str, &[u8])]) -> Publication {
    Publication {
        number: 0,
        made_at: Timestamp::from_unix(START + minute * 60),
        documents: documents
            .iter()
            .map(|&(path, bytes)| (path.to_owned(), Arc::from(bytes)))
            .collect(),
    }
}

async fn publications_come_back_newest_first(url: &str) {
    let (store, other) = (open(url).await, open(url).await);
    assert_eq!(other.publication_after(0).await.unwrap(), None);
    let mut first = publication(
        0,
        &[
            ("ranking.json", b"{}"),
            ("a/b.json", b""),
            ("a.br", &[0, 255]),
        ],
    );
    let mut second = publication(1, &[]);
    first.number = store.publish(&first, None).await.unwrap().unwrap();
    assert!(first.number > 0);
    assert_eq!(
        other.publication_after(0).await.unwrap(),
        Some(first.clone())
    );
    second.number = store.publish(&second, None).await.unwrap().unwrap();
    assert!(second.number > first.number);
    assert_eq!(
        other.publication_after(0).await.unwrap(),
        Some(second.clone())
    );
    assert_eq!(
        other.publication_after(first.number).await.unwrap(),
        Some(second.clone())
    );
    assert_eq!(other.publication_after(second.number).await.unwrap(), None);
}

async fn of_several_publishers_one_publishes(url: &str) {
    let mut tasks = Vec::new();
    for _ in 0..5 {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            let since = Timestamp::from_unix(START);
            store
                .publish(&publication(0, &[("x", b"y")]), Some(since))
                .await
                .unwrap()
        }));
    }
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.extend(task.await.unwrap());
    }
    assert_eq!(numbers.len(), 1);
    let store = open(url).await;
    let later = Timestamp::from_unix(START + 1);
    let next = store
        .publish(&publication(5, &[]), Some(later))
        .await
        .unwrap();
    assert!(next.unwrap() > numbers[0]);
}

async fn the_newest_hundred_are_kept(url: &str) {
    let store = open(url).await;
    for minute in 0..103 {
        store
            .publish(&publication(minute, &[("x", b"y")]), None)
            .await
            .unwrap();
    }
    let newest = store.publication_after(0).await.unwrap().unwrap();
    assert_eq!(newest.made_at, Timestamp::from_unix(START + 102 * 60));
    assert_eq!(rows(url).await, (100, 100));
}

/// How many publications and documents there are.
async fn rows(url: &str) -> (i64, i64) {
    let count = "SELECT (SELECT count(*) FROM publications), (SELECT count(*) FROM documents)";
    if url.starts_with("sqlite") {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        sqlx::query_as(count)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    } else {
        let mut connection = open_connection(url).await;
        sqlx::query_as(count)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }
}

//! Replicas come and go.

use super::*;
use crate::sharded::Sharded;

/// So many certificates through each replica.
const EACH: u32 = 30;

/// What a replica answers for each certificate.
async fn windows(api: &Api, certificates: u32) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    for n in 0..certificates {
        answers.push(answer(api, n).await);
    }
    answers
}

/// The published document and its tag.
async fn document(api: &Api) -> (String, String) {
    let ranking = within(api.get("/ranking.json")).await;
    assert_eq!(ranking.status(), 200);
    let tag = ranking.headers()["etag"].to_str().unwrap().to_owned();
    (tag, ranking.text().await.unwrap())
}

async fn all_answer_alike(replicas: &[Server], wanted: &[(String, String)]) {
    let certificates = u32::try_from(wanted.len()).unwrap();
    for replica in replicas {
        assert!(windows(&replica.api, certificates).await == wanted);
    }
    // Documents are taken from the store within a second, and one may be published meanwhile.
    until("one publication is served by all", async || {
        let first = document(&replicas[0].api).await;
        for replica in &replicas[1..] {
            if document(&replica.api).await != first {
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_may_be_killed_or_started_and_all_give_the_same_answers() {
    if let Some(database) = crate::support::fresh_postgres().await {
        replicas_come_and_go(&database.url()).await;
    }
}

/// By the test double, which must have nothing to refuse.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_a_distributed_database_all_give_the_same_answers() {
    if let Some(database) = crate::support::fresh_postgres().await {
        let double = Sharded::before(&database.url()).await;
        replicas_come_and_go(&double.url()).await;
        assert_eq!(double.refused(), [""; 0]);
    }
}

async fn replicas_come_and_go(url: &str) {
    // The first makes the schema and the first publication.
    let mut replicas = vec![Server::on(url)];
    replicas.extend([Server::on(url), Server::on(url)]);
    let mut registered = 0;
    for round in 0..3 {
        for replica in &replicas {
            register(&replica.api, registered..registered + EACH).await;
            registered += EACH;
        }
        let publisher = &replicas[round % replicas.len()];
        within(publisher.publish()).await;
        let wanted = windows(&publisher.api, registered).await;
        all_answer_alike(&replicas, &wanted).await;
        // Each time another one is killed, as by a power failure, and one more is started.
        drop(replicas.remove(round % replicas.len()));
        replicas.push(Server::on(url));
        all_answer_alike(&replicas, &wanted).await;
    }
}

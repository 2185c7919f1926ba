//! Replicas come and go.

use super::*;

/// So many certificates through each replica.
const EACH: u32 = 30;

/// What all replicas answer alike: each certificate, and the published document.
async fn answers(api: &Api, certificates: u32) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    for n in 0..certificates {
        answers.push(answer(api, n).await);
    }
    let ranking = within(api.get("/ranking.json")).await;
    assert_eq!(ranking.status(), 200);
    let tag = ranking.headers()["etag"].to_str().unwrap().to_owned();
    answers.push((tag, ranking.text().await.unwrap()));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_may_be_killed_and_any_started_and_all_answer_alike() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let url = database.url();
    // The first makes the schema and the first publication.
    let mut replicas = vec![Server::on(&url)];
    replicas.extend([Server::on(&url), Server::on(&url)]);
    let mut registered = 0;
    for round in 0..3 {
        for replica in &replicas {
            register(&replica.api, registered..registered + EACH).await;
            registered += EACH;
        }
        let publisher = &replicas[round % replicas.len()];
        within(publisher.publish()).await;
        let wanted = answers(&publisher.api, registered).await;
        for replica in &replicas {
            // Documents are taken from the store within a second, certificates at once.
            until("the newest publication is served", async || {
                answers(&replica.api, 0).await.last() == wanted.last()
            })
            .await;
            assert!(answers(&replica.api, registered).await == wanted);
        }
        // Each time another one is killed, as by a power failure, and one more is started.
        drop(replicas.remove(round % replicas.len()));
        replicas.push(Server::on(&url));
        for replica in &replicas {
            assert!(answers(&replica.api, registered).await == wanted);
        }
    }
}

//! A server of a distributed database is away: what its certificates' table is asked ends in the error that
//! Citus gives then, and all else goes on.

use sqlx::raw_sql;

use super::*;
use crate::sharded::{Reach, Sharded};

/// From now on whatever writes certificates fails so …
const LOSE_WRITES: &str = "
    CREATE FUNCTION lost() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN
        RAISE EXCEPTION 'connection to the remote node worker-2:5432 failed'
            USING ERRCODE = 'XX000';
    END $$;
    CREATE FUNCTION lost_rows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM lost(); RETURN NULL;
    END $$;
    CREATE TRIGGER lost BEFORE INSERT ON certificates
        FOR EACH STATEMENT EXECUTE FUNCTION lost_rows()";

/// … and whatever reads them, found or not.
const LOSE_READS: &str = "
    ALTER TABLE certificates RENAME TO certificates_there;
    CREATE VIEW certificates AS SELECT * FROM certificates_there WHERE lost()";

/// It is there again.
const FIND: &str = "
    DROP VIEW certificates;
    ALTER TABLE certificates_there RENAME TO certificates;
    DROP TRIGGER lost ON certificates; DROP FUNCTION lost_rows(); DROP FUNCTION lost()";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_503_for_what_needs_it_and_named() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let url = database.url();
    let server = Server::on(&url);
    register(&server.api, 0..5).await;
    let before = answer(&server.api, 3).await;
    let mut operator = crate::support::open_connection(&url).await;
    let distributed = "UPDATE feed SET distributed_by = 'double'";
    raw_sql(distributed).execute(&mut operator).await.unwrap();
    raw_sql(LOSE_WRITES).execute(&mut operator).await.unwrap();
    for many in [1, 9, 300] {
        let refused = server
            .api
            .send_ndjson("/v1/certificates", body(100..100 + many, now()))
            .await
            .unwrap();
        assert_eq!(refused.status(), 503, "{many}");
        assert!(refused.headers().contains_key(RETRY_AFTER), "{many}");
    }
    raw_sql(LOSE_READS).execute(&mut operator).await.unwrap();

    let named = async || {
        let (status, degraded) = readiness(&server.api).await;
        assert_eq!(status, 200);
        let says = |one: &Value| {
            one.as_str()
                .unwrap()
                .contains("a server of the database is away")
        };
        degraded.iter().any(says)
    };
    until("readyz names it", named).await;
    assert_eq!(answer(&server.api, 3).await, before);
    let unknown = within(server.api.get(&format!("/renewal-info/{}", cert_id(77)))).await;
    assert_eq!(unknown.status(), 503);
    assert!(unknown.headers().contains_key(RETRY_AFTER));

    raw_sql(FIND).execute(&mut operator).await.unwrap();
    until("readyz is clean", async || !named().await).await;
    register(&server.api, 100..109).await;
    assert_eq!(answer(&server.api, 3).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_server_that_refuses_is_503_and_the_rest_goes_on() {
    a_lost_server_is_503_for_what_needs_it(Reach::Refuses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_server_that_is_silent_is_503_and_the_rest_goes_on() {
    a_lost_server_is_503_for_what_needs_it(Reach::Silent).await;
}

/// By the test double, which tells statements by the tables that they name: all of them, those that were
/// prepared before among them.
async fn a_lost_server_is_503_for_what_needs_it(lost: Reach) {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let double = Sharded::before(&database.url()).await;
    let server = Server::on(&double.url());
    register(&server.api, 0..40).await;
    register(&server.api, 40..41).await;
    let known = answer(&server.api, 3).await;
    let path = format!("/v1/certificates/{}", cert_id(3));
    assert_eq!(within(server.api.admin_get(&path)).await.status(), 200);
    let unknown = format!("/renewal-info/{}", cert_id(77));
    assert_eq!(within(server.api.get(&unknown)).await.status(), 404);
    assert!(!says_away(&server.api).await);

    double.set_reach(lost);
    let since = Instant::now();
    until("readyz names it", async || says_away(&server.api).await).await;
    println!("{lost:?}: named after {:?}", since.elapsed());
    assert_eq!(answer(&server.api, 3).await, known);
    // What is long or is not waited for by a client is given up after 20 s of silence: not each way here.
    let is_silent = lost == Reach::Silent;
    let sizes: &[u32] = if is_silent { &[1] } else { &[1, 9, 300] };
    for many in sizes {
        let sent = body(100..100 + many, now());
        let refused = server.api.send_ndjson("/v1/certificates", sent);
        be_busy(&within(refused).await.unwrap(), "registration");
    }
    // However many come to register: all else has connections left.
    let crowd: Vec<_> = (1_000..1_030)
        .map(|n| {
            let api = server.api.clone();
            let sent = body(n..=n, now());
            tokio::spawn(async move { api.send_ndjson("/v1/certificates", sent).await })
        })
        .collect();
    be_busy(&within(server.api.admin_get(&path)).await, "an explanation");
    if !is_silent {
        be_busy(
            &within(server.api.admin_get("/v1/certificates")).await,
            "a list",
        );
    }
    // One that was not looked for a moment ago.
    let unknown = format!("/renewal-info/{}", cert_id(78));
    be_busy(&within(server.api.get(&unknown)).await, "an unknown one");
    // What lies on the server that is there: observations, and the documents that are made of them.
    let minute =
        json!({"at": now() - now() % 60 - 600, "kind": "issued", "source": "ca", "count": 7});
    let sent = server
        .api
        .send_ndjson("/v1/observations", format!("{minute}\n"));
    let sent = within(sent).await.unwrap();
    assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
    for one in crowd {
        be_busy(&within(one).await.unwrap().unwrap(), "one of many");
    }
    assert_eq!(within(server.api.get("/ranking.json")).await.status(), 200);
    assert_eq!(answer(&server.api, 40).await, answer(&server.api, 40).await);

    double.set_reach(Reach::Answers);
    until("readyz is clean", async || !says_away(&server.api).await).await;
    register(&server.api, 400..409).await;
    assert_eq!(answer(&server.api, 3).await, known);
    assert_eq!(double.refused(), [""; 0]);
    assert!(!server.log().contains("\"status\":500"), "{}", server.log());
}

fn be_busy(answer: &reqwest::Response, what: &str) {
    assert_eq!(answer.status(), 503, "{what}");
    assert!(answer.headers().contains_key(RETRY_AFTER), "{what}");
}

async fn says_away(api: &Api) -> bool {
    let (status, degraded) = readiness(api).await;
    assert_eq!(status, 200);
    let says = |one: &Value| {
        let words = one.as_str().unwrap();
        words.contains("a server of the database is away")
    };
    degraded.iter().any(says)
}

/// A rebalance reads on where it stood when the server is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_through_all_goes_on_when_a_server_is_back() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let double = Sharded::before(&database.url()).await;
    let server = Server::on(&double.url());
    register(&server.api, 0..40).await;
    double.set_reach(Reach::Refuses);
    until("readyz names it", async || says_away(&server.api).await).await;
    let api = server.api.clone();
    let asking = tokio::spawn(async move {
        let asked = json!({"dryRun": true}).to_string();
        api.send("/v1/rebalance", "application/json", asked).await
    });
    let turned_away = async || {
        let lost = double.lost();
        lost.iter().any(|text| text.contains("key_identifier > $1"))
    };
    until("it is turned away", turned_away).await;
    double.set_reach(Reach::Answers);
    let report = within(asking).await.unwrap().unwrap();
    assert_eq!(report.status(), 200, "{}", report.text().await.unwrap());
}

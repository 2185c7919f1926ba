//! A server of a distributed database is away: what its certificates' table is asked ends in the error that
//! Citus gives then, and all else goes on.

use sqlx::{Connection as _, PgConnection, raw_sql};

use super::*;

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
    let mut operator = PgConnection::connect(&url).await.unwrap();
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

//! The pool of connections to PostgreSQL.

use std::collections::HashSet;

use super::*;

#[tokio::test]
async fn connections_are_kept() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let store = open(&database.url()).await;
    let mut other = open_connection(&database.url()).await;
    let mut opened = HashSet::new();
    for n in 0..100 {
        register(&*store, &certificates(n..n + 1)).await;
        let connections: Vec<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
                 AND backend_type = 'client backend'",
        )
        .fetch_all(&mut other)
        .await
        .unwrap();
        opened.extend(connections);
    }
    // The pool's ten, and the one that listens.
    assert!(opened.len() <= 11, "{} were opened", opened.len());
}

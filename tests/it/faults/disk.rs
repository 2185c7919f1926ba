//! An SQLite database whose disk is full, whose files may not grow, or that is taken away.

use super::*;

use std::process::Command;

use crate::support::{Disk, fresh_sqlite};

/// Room for the database and its log, and little more.
const DISK_OCTETS: u64 = 20 << 20;
/// Less than what is tried to find out whether writes are taken again.
const FILE_OCTETS: u64 = 512 << 10;
/// More than the files may hold that are limited.
const MANY: u32 = 4_000;

/// Writes are turned away for now, and not as a defect.
async fn is_turned_away(api: &Api, numbers: std::ops::Range<u32>) {
    let answer = within(api.send_ndjson("/v1/certificates", body(numbers, now()))).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert!(answer.headers().contains_key(RETRY_AFTER));
}

async fn is_degraded(api: &Api, why: &str) {
    until(why, async || {
        let (status, degraded) = readiness(api).await;
        assert_eq!(status, 200, "what is in memory is answered");
        degraded
            .iter()
            .any(|said| said.as_str().unwrap().contains(why))
    })
    .await;
}

/// From here on everything is taken again.
async fn recovers(api: &Api, from: u32) {
    until("nothing is degraded", async || {
        readiness(api).await == (200, Vec::new())
    })
    .await;
    for first in (from..from + 200).step_by(10) {
        register(api, first..first + 10).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_turns_writes_away_until_there_is_room() {
    let Some(disk) = Disk::of(DISK_OCTETS) else {
        return;
    };
    let server = Server::on(&disk.url());
    let api = &server.api;
    register(api, 0..10).await;
    disk.fill();
    is_turned_away(api, 10..MANY).await;
    is_degraded(api, "its disk is full").await;
    answer(api, 0).await;
    disk.free();
    recovers(api, 2 * MANY).await;
    register(api, 3 * MANY..3 * MANY + 1).await;
    // The purge wrote through all of it, and none was kept from it by another's end.
    let log = server.log();
    assert!(!log.contains("transaction depth"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_may_not_grow_turn_writes_away_until_they_may() {
    let database = fresh_sqlite();
    let mut server = Server::on(&database.url());
    let api = server.api.clone();
    let limited = |octets: &str| {
        let mut prlimit = Command::new("prlimit");
        let (process, limit) = (server.id().to_string(), format!("--fsize={octets}:"));
        run(prlimit.args(["--pid", &process, &limit]));
    };
    register(&api, 0..10).await;
    limited(&FILE_OCTETS.to_string());
    is_turned_away(&api, 10..MANY).await;
    is_degraded(&api, "cannot be read or written").await;
    answer(&api, 0).await;
    limited("unlimited");
    recovers(&api, 2 * MANY).await;
    assert_eq!(server.has_ended(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_taken_away_takes_no_writes() {
    let database = fresh_sqlite();
    let server = Server::on(&database.url());
    let api = &server.api;
    register(api, 0..10).await;
    let (path, away) = (database.path(), database.path().with_extension("away"));
    std::fs::rename(&path, &away).unwrap();
    is_turned_away(api, 10..20).await;
    is_degraded(api, "was deleted or moved away").await;
    answer(api, 0).await;
    std::fs::copy(&away, &path).unwrap();
    is_turned_away(api, 10..20).await;
    is_degraded(api, "was replaced").await;
    std::fs::rename(&away, &path).unwrap();
    recovers(api, 10).await;
}

//! A resolver that never answers, where the database is configured by name.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::starts::{Place, answers_alone, ended};
use super::*;

/// Linux's, on all machines that this is built for. Opened so for writing, a pipe that nobody wants
/// to read is an error.
const O_NONBLOCK: i32 = 0o4000;
/// Without a dot, so that glibc looks for it in the file that `HOSTALIASES` names: a pipe into
/// which nobody writes holds `getaddrinfo` up for as long as we like.
const NAME: &str = "black-holed-database";

fn somebody_reads(pipe: &Path) -> bool {
    let mut how = OpenOptions::new();
    how.write(true).custom_flags(O_NONBLOCK).open(pipe).is_ok()
}

/// A pipe that the resolver of this machine reads; `None` where it asks others first.
async fn pipe(folder: &Path) -> Option<std::path::PathBuf> {
    let pipe = folder.join("aliases");
    run(Command::new("mkfifo").arg(&pipe));
    let mut asking = Command::new("getent")
        .args(["hosts", NAME])
        .env("HOSTALIASES", &pipe)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut held_up = false;
    until("the resolver reads it or has ended", async || {
        held_up = somebody_reads(&pipe);
        held_up || asking.try_wait().unwrap().is_some()
    })
    .await;
    // It may have ended by itself; either way it is gone after the wait.
    let _ = asking.kill();
    asking.wait().unwrap();
    if !held_up {
        println!("skipped: this machine's resolver cannot be held up");
    }
    held_up.then_some(pipe)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_that_hangs_holds_up_neither_a_start_nor_answers_nor_the_stop() {
    let Some(database) = DatabaseServer::start().await else {
        return;
    };
    let place = Place::new();
    let Some(pipe) = pipe(place.folder()).await else {
        return;
    };
    let given = place.lived(&database.url()).await;
    let url = format!("postgres://postgres@{NAME}/postgres");
    let mut replica = Server::start(place.serve(&url).env("HOSTALIASES", &pipe));
    answers_alone(&replica.api, &given).await;
    let failed = replica.logged("task_failed");
    assert!(failed.contains("\"task\":\"join\""), "{failed}");
    replica.signal("TERM");
    assert!(ended(&mut replica).await.success());
}

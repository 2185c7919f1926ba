//! schemathesis reads `openapi.yaml` from the live server and tries to break what it promises.

use std::path::Path;
use std::process::Command;

use offpeak::domain::time::DAY;

use crate::server::{ADMIN, NOW, TestServer};
use crate::tools::{run, tool};

/// Cases for each operation and phase: enough to reach each answer, some seconds in all.
const MOST_EXAMPLES: &str = "30";

/// The paths of the admin listener.
const OF_ADMIN: &str = "^/(v1|healthz|readyz|metrics)";

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_failure() {
    let Some(st) = tool("OFFPEAK_TEST_SCHEMATHESIS") else {
        return;
    };
    let server = TestServer::start().await;
    server.engine.publish().await.unwrap();
    // The example in the document, so that there is something to find.
    let id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    server.register(id, NOW, NOW + (90 * DAY - 1)).await;
    let directory = tempfile::tempdir().unwrap();
    let command = |listener: &str, selection: [&str; 2]| {
        let mut command = Command::new(&st);
        command
            .current_dir(directory.path())
            .env("NO_PROXY", "127.0.0.1")
            .arg("--config-file")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis.toml"))
            .arg("run")
            .arg(format!("{}/openapi.yaml", server.public))
            .args(["--url", listener, "--max-examples", MOST_EXAMPLES])
            .args(["--seed", "1", "--header"])
            .arg(format!("Authorization: Bearer {ADMIN}"))
            .args(selection);
        command
    };
    let commands = [
        (
            command(&server.public, ["--exclude-path-regex", OF_ADMIN]),
            "11 selected / 27 total",
        ),
        (
            command(&server.admin, ["--include-path-regex", OF_ADMIN]),
            "16 selected / 27 total",
        ),
    ];
    for (mut command, selected) in commands {
        let told = tokio::task::spawn_blocking(move || run(&mut command)).await;
        let told = told.unwrap();
        assert!(told.contains(selected), "{told}");
    }
}

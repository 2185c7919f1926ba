//! schemathesis reads `openapi.yaml` from the live server and tries to break what it promises.

use std::path::Path;
use std::process::Command;

use offpeak::domain::time::DAY;
use offpeak::http;

use crate::server::{ADMIN, NOW, TestServer};
use crate::tools::{run, tool};

/// Cases for each operation and phase: enough to reach each answer, some seconds in all.
const MOST_EXAMPLES: &str = "30";

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
    let paths: Vec<&str> = http::ADMIN.iter().map(|route| route.path).collect();
    let of_admin = format!("^({})$", paths.join("|").replace(['{', '}'], "."));
    // Beside the routes the document has HEAD of one path; schemathesis counts one operation less.
    let (public, admin) = (http::PUBLIC.len(), http::ADMIN.len());
    let commands = [
        (
            command(&server.public, ["--exclude-path-regex", &of_admin]),
            public,
        ),
        (
            command(&server.admin, ["--include-path-regex", &of_admin]),
            admin,
        ),
    ];
    for (mut command, selected) in commands {
        let report = tokio::task::spawn_blocking(move || run(&mut command)).await;
        let report = report.unwrap();
        let count = format!("{selected} selected / {} total", public + admin);
        assert!(report.contains(&count), "{report}");
    }
}

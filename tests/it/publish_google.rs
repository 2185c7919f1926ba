//! `offpeak publish --out gs://…`, and the tree read back through nginx as a CDN.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::deploy::block;
use crate::gcs::Gcs;
use crate::nginx::{Answer, Nginx, replaced};
use crate::process::offpeak;
use crate::tools::{output_text, tool};

const HOST: &str = "https://ari.example.com";
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_published_to_google_with_its_types_and_cache_policies_and_verified_from_there() {
    let Some(program) = tool("OFFPEAK_TEST_FAKE_GCS") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Gcs::start(&program).await;
    publish(&server, folder.path(), &["--now"]);
    // Again, nothing is to be written.
    let again = publish(&server, folder.path(), &[]);
    assert!(again.contains(" 0 files written"), "{again}");

    let tree = format!("{}/tree/ari", server.url);
    let text = of(offpeak()
        .args(["verify", &tree])
        .env("no_proxy", "127.0.0.1"));

    let mut found = text.lines().filter(|line| line.contains('\t'));
    assert!(
        found.all(|line| line.ends_with("\tok")) && text.contains("\nranking.json"),
        "{text}"
    );
    let copy = text
        .lines()
        .find_map(|line| {
            line.strip_suffix("\tok")
                .filter(|path| path.starts_with("r/"))
        })
        .unwrap();
    for (path, kind, cache) in [
        (
            "ranking.json",
            "application/json",
            "public, max-age=300, s-maxage=3600",
        ),
        (
            "index.html",
            "text/html; charset=utf-8",
            "stale-while-revalidate=86400",
        ),
        (
            copy,
            "application/json",
            "public, max-age=31536000, immutable",
        ),
    ] {
        let url = format!("{tree}/{path}");
        let headers = of(Command::new("curl").args(["-sfI", "--noproxy", "*", &url]));
        let headers = headers.to_lowercase();
        assert!(
            headers.contains(&format!("content-type: {kind}\r\n")),
            "{path}: {headers}"
        );
        assert!(
            headers.contains(&format!("cache-control: {cache}")) || headers.contains(cache),
            "{path}: {headers}"
        );
    }
}

/// Time goes on by restarts: the cache is in files, and nginx reads them by the clock that it is given.
#[tokio::test(flavor = "multi_thread")]
async fn nginx_as_a_cdn_revalidates_compresses_and_serves_stale_as_the_tree_says() {
    let (Some(program), Some(nginx), Some(faketime)) = (
        tool("OFFPEAK_TEST_FAKE_GCS"),
        tool("OFFPEAK_TEST_NGINX"),
        tool("OFFPEAK_TEST_FAKETIME"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let mut origin = Gcs::start(&program).await;
    publish(&origin, folder.path(), &["--now"]);
    let site = block("nginx", "cdn.conf");
    let site = replaced(
        &site,
        "/var/cache/nginx/ari",
        &cache.path().display().to_string(),
    );
    let site = replaced(
        &site,
        "https://storage.googleapis.com/bucket/ari/",
        &format!("{}/tree/ari/", origin.url),
    );
    let later =
        |seconds: i64| Nginx::serve_later(&nginx, &faketime, seconds, "ari.example.com", &site);

    let stored = format!("{}/tree/ari/ranking.json", origin.url);

    let cdn = later(0);
    let first = get(&cdn, "/ranking.json", &[]);
    assert_eq!(
        (first.status, &*first.headers["x-cache-status"]),
        (200, "MISS"),
        "{first:?}"
    );
    assert_eq!(first.headers["access-control-allow-origin"], "*");
    assert!(first.headers["cache-control"].contains("stale-if-error=604800"));
    let etag = first.headers["etag"].clone();
    // What a client has is not sent again, by the weak ETag of what was compressed too.
    for tag in [etag.clone(), format!("W/{etag}")] {
        let same = get(
            &cdn,
            "/ranking.json",
            &["-H", &format!("If-None-Match: {tag}")],
        );
        assert_eq!((same.status, same.body.len()), (304, 0), "{same:?}");
    }
    let packed = get(
        &cdn,
        "/ranking.json",
        &["-H", "Accept-Encoding: gzip", "--compressed"],
    );
    assert_eq!(packed.headers["content-encoding"], "gzip", "{packed:?}");
    assert_eq!(packed.headers["etag"], format!("W/{etag}"));
    assert_eq!(packed.headers["vary"], "Accept-Encoding");
    assert_eq!(packed.headers["x-cache-status"], "HIT");
    assert_eq!(packed.body, first.body);
    let page = get(&cdn, "/", &[]);
    assert!(
        page.status == 200 && page.headers["content-type"].starts_with("text/html"),
        "{page:?}"
    );
    drop(cdn);

    // After an hour in a shared cache, and for a day: the old one at once, the new one fetched meanwhile.
    // `generatedAt` is in whole seconds, and one made within the same second is the same.
    while made(&of(Command::new("curl").args([
        "-sf",
        "--noproxy",
        "*",
        &stored,
    ]))) <= made(&first.body)
    {
        publish(&origin, folder.path(), &["--now"]);
    }
    let cdn = later(2 * HOUR);
    let stale = get(&cdn, "/ranking.json", &[]);
    assert_eq!(
        (stale.status, &*stale.headers["x-cache-status"]),
        (200, "STALE"),
        "{stale:?}"
    );
    assert_eq!(stale.body, first.body);
    let mut fresh = get(&cdn, "/ranking.json", &[]);
    while fresh.headers["x-cache-status"] != "HIT" {
        assert_eq!(fresh.status, 200, "{fresh:?}");
        fresh = get(&cdn, "/ranking.json", &[]);
    }
    assert!(made(&fresh.body) > made(&first.body));
    drop(cdn);

    // With a store that answers with errors, or not at all, a week more; then it says so.
    origin.break_down();
    let cdn = later(3 * DAY);
    let kept = get(&cdn, "/ranking.json", &[]);
    assert_eq!(
        (kept.status, &*kept.headers["x-cache-status"]),
        (200, "STALE"),
        "{kept:?}"
    );
    assert_eq!(kept.body, fresh.body);
    origin.go_away().await;
    let kept = get(&cdn, "/ranking.json", &[]);
    assert_eq!((kept.status, &kept.body), (200, &fresh.body), "{kept:?}");
    drop(cdn);
    let gone = get(&later(8 * DAY), "/ranking.json", &[]);
    assert_eq!(gone.status, 502, "{gone:?}");
}

/// When a ranking was made.
fn made(ranking: &str) -> String {
    let ranking: Value = serde_json::from_str(ranking).unwrap();
    ranking["generatedAt"].as_str().unwrap().to_owned()
}

fn publish(server: &Gcs, folder: &Path, more: &[&str]) -> String {
    let mut command = server.publish(folder);
    command.args(more);
    of(&mut command)
}

/// What a command printed to either, where it succeeded. The server that it talks to may be one of
/// this process, whose threads must not wait for it.
fn of(command: &mut Command) -> String {
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    assert!(
        output.status.success(),
        "{command:?}: {}",
        output_text(&output)
    );
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    text(output.stdout) + &text(output.stderr)
}

fn get(cdn: &Nginx, path: &str, more: &[&str]) -> Answer {
    tokio::task::block_in_place(|| cdn.get_with(&format!("{HOST}{path}"), more))
}

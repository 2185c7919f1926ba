//! `offpeak plan`: lists as spreadsheets write them, and folders as somebody stands in them.

use std::fs;
use std::path::Path;
use std::process::Output;

use offpeak::engine::clock::{Clock as _, SystemClock};
use serde_json::Value;

use super::command::{printed, ranking, run, write_folders};
use crate::process::offpeak;
use crate::tools::output_text;

/// What is planned by somebody who stands in `folder`: names and accounts.
fn standing_in(folder: &Path, path: &str, ranking: &str) -> Vec<(String, Option<String>)> {
    let output: Output = offpeak()
        .args(["plan", path, "--ranking", ranking, "--json"])
        .current_dir(folder)
        .output()
        .unwrap();
    let plan: Value = serde_json::from_str(&printed(&output)).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let items = plan["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            (
                text(&item["id"]).unwrap_or_default(),
                text(&item["account"]),
            )
        })
        .collect()
}

#[test]
fn a_client_s_folder_is_known_from_within() {
    let folder = tempfile::tempdir().unwrap();
    write_folders(folder.path(), SystemClock.now().unix());
    let ranking = ranking(folder.path());
    let certbot = vec![("my-site".to_owned(), Some("0a1b".to_owned()))];
    for (within, path) in [
        ("letsencrypt/live", "."),
        ("letsencrypt/live/my-site", "."),
        ("letsencrypt/live/my-site", ".."),
        ("letsencrypt", "live"),
        ("letsencrypt", "./live/my-site/.."),
        ("letsencrypt", "."),
    ] {
        let found = standing_in(&folder.path().join(within), path, &ranking);
        assert_eq!(found, certbot, "{path} in {within}");
    }
    for (within, name) in [
        ("caddy/certificates/acme-v02/caddy.example", "caddy.example"),
        ("lego/certificates", "_.lego.example"),
        ("acme.sh/acme-sh.example_ecc", "acme-sh.example_ecc"),
    ] {
        let found = standing_in(&folder.path().join(within), ".", &ranking);
        assert_eq!(found, [(name.to_owned(), None)], "{within}");
    }
    // As certbot writes it, files are links into its archive: then the folder may have any name.
    let renamed = folder.path().join("letsencrypt/in-use/my-site");
    fs::create_dir_all(&renamed).unwrap();
    let target = "../../archive/my-site/cert2.pem";
    std::os::unix::fs::symlink(target, renamed.join("cert.pem")).unwrap();
    let found = standing_in(&folder.path().join("letsencrypt/in-use"), ".", &ranking);
    assert_eq!(found, certbot);
}

#[test]
fn semicolons_and_tabs_are_read_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let ranking = ranking(folder.path());
    let arguments = ["-", "--ranking", &ranking];
    for between in [";", "\t"] {
        let list = "customer;names;not_after\n7;\"a.example; www.a.example\";\n8;b.example;\n"
            .replace(';', between);
        let table = printed(&run(&arguments, &list));
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows.len(), 3, "{table}");
        assert_eq!(
            rows[0],
            ["customer", "names", "not_after", "renew_at"].join(between)
        );
        assert!(
            rows[2].starts_with(&["8", "b.example", "", "20"].join(between)),
            "{table}"
        );
    }
    let output = run(&arguments, "name;team\na.example;blue\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output_text(&output).contains("none of the columns"),
        "{}",
        output_text(&output)
    );
    let output = run(&arguments, "sep=;\nnames;team\na.example;blue\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output_text(&output).contains("line 1: record: this line is for Excel"),
        "{}",
        output_text(&output)
    );
}

#[test]
fn an_earlier_plan_s_times_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let ranking = ranking(folder.path());
    let arguments = ["-", "--ranking", &ranking];
    let list = "names,renew_at,team\na.example,2020-01-01T00:00:00Z,blue\n";
    let output = run(&arguments, list);
    let table = printed(&output);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0], "names,renew_at,team");
    assert!(
        rows[1].starts_with("a.example,20") && rows[1].ends_with("Z,blue"),
        "{table}"
    );
    assert!(!table.contains("2020-01-01"), "{table}");
    assert!(
        output_text(&output).contains("column \"renew_at\" of an earlier plan is replaced"),
        "{}",
        output_text(&output)
    );
    // And so what was planned can be planned again.
    assert_eq!(
        printed(&run(&arguments, &table)).lines().next(),
        Some("names,renew_at,team")
    );
}

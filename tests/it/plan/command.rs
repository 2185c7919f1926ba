//! `offpeak plan`: lists, folders of ACME clients, and what cannot be.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use offpeak::domain::time::{DAY, Timestamp};
use offpeak::engine::clock::{Clock as _, SystemClock};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use super::instant;
use crate::process::offpeak;
use crate::tools::output_text;

pub(super) fn ranking(folder: &Path) -> String {
    let slots: Vec<Value> = (0..24)
        .map(|hour| json!({"weight": if hour < 12 { 0.0625 } else { 0.020_833 }}))
        .collect();
    let ranking = json!({"schemaVersion": "1.0", "modelVersion": "m", "ca": "example",
        "slotMinutes": 60, "validUntil": "2096-01-01T00:00:00Z", "slots": slots, "avoid": []});
    let file = folder.join("ranking.json");
    fs::write(&file, ranking.to_string()).unwrap();
    file.display().to_string()
}

pub(super) fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = offpeak()
        .arg("plan")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who reads nothing has closed its end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub(super) fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", output_text(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_list_and_a_ranking_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let ranking = ranking(folder.path());
    let list = "customer,names,note\n1,a.example,\"x, y\"\n2,b.example b2.example,\n";
    let arguments = ["-", "--ranking", &ranking, "--deadline", "24h"];
    let output = run(&arguments, list);
    let text = printed(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "customer,names,note,renew_at");
    assert!(lines[1].starts_with("1,a.example,\"x, y\",20"), "{text}");
    assert!(lines[2].starts_with("2,b.example b2.example,,20"), "{text}");
    assert!(
        output_text(&output).contains("2 planned from"),
        "{}",
        output_text(&output)
    );
    assert!(output_text(&output).contains("limits of letsencrypt of 2026-08-05"));
    // The same each time, but for the clock; and as JSON.
    let arguments = ["-", "--ranking", &ranking, "--deadline", "24h", "--json"];
    let plan: Value = serde_json::from_str(&printed(&run(&arguments, list))).unwrap();
    assert_eq!(plan["items"][1]["id"], "b.example");
    assert_eq!(
        (&plan["ca"], &plan["modelVersion"]),
        (&json!("example"), &json!("m"))
    );
    assert_eq!(plan["validUntil"], "2096-01-01T00:00:00Z");
    let arguments = ["--count", "2400", "--ranking", &ranking, "--limits", "none"];
    let text = printed(&run(&arguments, ""));
    let morning = text
        .lines()
        .filter(|line| line[11..13].parse::<u32>().unwrap() < 12)
        .count();
    assert!((1_790..=1_812).contains(&morning), "{morning}");
    let distinct: HashSet<&str> = text.lines().collect();
    assert!(distinct.len() > 2_300, "{}", distinct.len());
}

#[test]
fn what_cannot_be_done_or_read_ends_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let ranking = ranking(folder.path());
    let arguments = ["--count", "1500", "--ranking", &ranking, "--deadline", "1h"];
    let refused = run(
        &[&arguments[..], &["--max-rate", "10", "--limits", "none"]].concat(),
        "",
    );
    assert_eq!(refused.status.code(), Some(1));
    let reason = output_text(&refused);
    assert!(
        reason.contains("certificates miss their deadline: maxRate lets 10 a minute"),
        "{reason}"
    );
    for (arguments, input, code, reason) in [
        (
            vec!["--count", "0", "--ranking", &ranking],
            "",
            2,
            "FILE: there is no certificate",
        ),
        (
            vec!["-", "--ranking", &ranking],
            "id,note\n1,2\n",
            1,
            "none of the columns",
        ),
        (
            vec!["-", "--ranking", &ranking],
            "names,deadline\na,soon\n",
            1,
            "line 2: deadline",
        ),
        (
            vec!["--count", "1", "--deadline", "soon"],
            "",
            2,
            "neither a time such as",
        ),
        (
            vec!["--count", "1", "--limits", "x", "--ranking", &ranking],
            "",
            1,
            "nor a file",
        ),
        (vec![], "", 2, "required"),
    ] {
        let output = run(&arguments, input);
        assert_eq!(output.status.code(), Some(code), "{}", output_text(&output));
        assert!(
            output_text(&output).contains(reason),
            "{arguments:?}: {}",
            output_text(&output)
        );
    }
}

#[test]
fn a_deadline_that_has_passed_and_a_column_that_looks_like_ours_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let ranking = ranking(folder.path());
    let list = "names,dead_line,customer\na.example,2026-01-01,7\n";
    let output = run(&["-", "--ranking", &ranking], list);
    // Its column is kept, and said not to be read.
    assert!(printed(&output).starts_with("names,dead_line,customer,renew_at\n"));
    let said = output_text(&output);
    let want = "column \"dead_line\" is kept and not read; did you mean \"deadline\"?";
    assert!(
        said.contains(want) && !said.contains("customer\" is"),
        "{said}"
    );
    assert!(!said.contains(" late, "), "{said}");

    let list = "names,deadline,not_after\na.example,2026-01-01,2096-01-01\nb.example,,2026-02-03\nc.example,2096-01-01,\n";
    let arguments = ["-", "--ranking", &ranking, "--deadline", "24h"];
    let output = run(&arguments, list);
    assert_eq!(printed(&output).lines().count(), 4);
    let said = output_text(&output);
    assert!(said.contains("2 late, since "), "{said}");
    let named = "a.example (2026-01-01T00:00:00Z), b.example (2026-02-03T00:00:00Z)\n";
    assert!(said.contains(named) && !said.contains("is kept"), "{said}");
    let plan = printed(&run(&[&arguments[..], &["--json"]].concat(), list));
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let missed = |place: usize| plan["items"][place]["missed"].clone();
    assert_eq!(missed(0), "2026-01-01T00:00:00Z");
    assert_eq!(missed(1), "2026-02-03T00:00:00Z");
    assert_eq!(missed(2), Value::Null);
    let at: Timestamp = instant(&plan["items"][0]["at"]);
    assert!(at - SystemClock.now() <= DAY, "{at}");
}

#[test]
fn what_is_due_in_years_is_left_out_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let ranking = ranking(folder.path());
    let now = SystemClock.now();
    let of_ten_years = format!("{now},{}", now + 3_650 * DAY);
    let list =
        format!("names,not_before,not_after,customer\na.example,{of_ten_years},7\nb.example,,,8\n");
    let output = run(&["-", "--ranking", &ranking], &list);
    let table = printed(&output);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert_eq!(rows[1], format!("a.example,{of_ten_years},7,"));
    assert!(rows[2].starts_with("b.example,,,8,2"), "{table}");
    let said = output_text(&output);
    let want =
        "1 left out, since their time comes after the 366 days that are planned ahead: a.example\n";
    assert!(said.contains(want), "{said}");
    // With a deadline it is planned before that.
    let output = run(&["-", "--ranking", &ranking, "--deadline", "24h"], &list);
    assert!(!printed(&output).contains(",7,\n"));
    // Nothing else: there is no plan.
    let alone = list.lines().take(2).collect::<Vec<_>>().join("\n");
    let output = run(&["-", "--ranking", &ranking], &alone);
    assert_eq!(output.status.code(), Some(1));
    assert!(output_text(&output).contains("nothing is left to plan"));
}

/// One CA, and certificates of it for these names that began so many days ago.
fn pem(authority: &Issuer<'_, KeyPair>, names: &[&str], began: i64, now: i64) -> String {
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    let midnight = |seconds: i64| {
        let text = Timestamp::from_unix(seconds).to_string();
        let part = |range: std::ops::Range<usize>| text[range].parse::<u8>().unwrap();
        rcgen::date_time_ymd(text[..4].parse().unwrap(), part(5..7), part(8..10))
    };
    params.not_before = midnight(now - began * DAY);
    params.not_after = midnight(now - began * DAY + 90 * DAY);
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, authority).unwrap().pem()
}

/// What certbot, Caddy, lego and acme.sh keep, each for a certificate of its own, and a folder of
/// somebody's.
pub(super) fn write_folders(folder: &Path, now: i64) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let authority = Issuer::new(params, key);
    let write = |path: &str, content: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let new = pem(
        &authority,
        &["certbot.example", "www.certbot.example"],
        10,
        now,
    );
    let old = pem(
        &authority,
        &["certbot.example", "www.certbot.example"],
        80,
        now,
    );
    write("letsencrypt/archive/my-site/cert1.pem", &old);
    write("letsencrypt/archive/my-site/cert2.pem", &new);
    write("letsencrypt/live/my-site/cert.pem", &new);
    write(
        "letsencrypt/live/my-site/fullchain.pem",
        &format!("{new}{ca}"),
    );
    write("letsencrypt/live/my-site/chain.pem", &ca);
    write(
        "letsencrypt/live/README",
        "This directory contains your keys",
    );
    write(
        "letsencrypt/renewal/my-site.conf",
        "version = 5\n[renewalparams]\naccount = 0a1b\n",
    );
    let caddy = pem(&authority, &["caddy.example"], 20, now);
    write(
        "caddy/certificates/acme-v02/caddy.example/caddy.example.crt",
        &format!("{caddy}{ca}"),
    );
    write(
        "caddy/certificates/acme-v02/caddy.example/caddy.example.json",
        "{}",
    );
    let lego = pem(&authority, &["*.lego.example"], 30, now);
    write(
        "lego/certificates/_.lego.example.crt",
        &format!("{lego}{ca}"),
    );
    write("lego/certificates/_.lego.example.issuer.crt", &ca);
    write("lego/certificates/_.lego.example.json", "{}");
    let acme_sh = pem(&authority, &["acme-sh.example"], 85, now);
    write("acme.sh/acme-sh.example_ecc/acme-sh.example.cer", &acme_sh);
    write(
        "acme.sh/acme-sh.example_ecc/fullchain.cer",
        &format!("{acme_sh}{ca}"),
    );
    write("acme.sh/acme-sh.example_ecc/ca.cer", &ca);
    write(
        "other/some.pem",
        &pem(&authority, &["plain.example"], 1, now),
    );
}

#[test]
fn folders_of_clients_are_read_as_they_are() {
    let now = SystemClock.now().unix();
    let folder = tempfile::tempdir().unwrap();
    write_folders(folder.path(), now);
    let ranking = ranking(folder.path());
    let all = folder.path().display().to_string();
    let arguments = [all.as_str(), "--ranking", &ranking, "--json"];
    let plan: Value = serde_json::from_str(&printed(&run(&arguments, ""))).unwrap();
    let mut found: Vec<(&str, i64, Option<&str>)> = plan["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let days = (instant(&item["at"]).unix() - now) / DAY;
            assert!(item["certId"].is_string());
            (
                item["id"].as_str().unwrap_or("-"),
                days,
                item["account"].as_str(),
            )
        })
        .collect();
    found.sort_unstable();
    // 60 days of life less the day of the band; who is past his band comes soon.
    let in_band = |days: i64, began: i64| (57 - began..60 - began).contains(&days);
    let names: Vec<&str> = found.iter().map(|(id, ..)| *id).collect();
    assert_eq!(
        names,
        [
            "-",
            "_.lego.example",
            "acme-sh.example_ecc",
            "caddy.example",
            "my-site"
        ]
    );
    assert!(
        in_band(found[0].1, 1) && in_band(found[1].1, 30),
        "{found:?}"
    );
    assert!(
        found[2].1 <= 1 && in_band(found[3].1, 20) && in_band(found[4].1, 10),
        "{found:?}"
    );
    assert_eq!(found[4].2, Some("0a1b"));
    // What cannot be read is told, and the rest is planned: 3.
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(folder.path().join("other/broken.pem"), broken).unwrap();
    let output = run(&arguments, "");
    assert_eq!(output.status.code(), Some(3));
    assert!(
        output_text(&output).contains("broken.pem"),
        "{}",
        output_text(&output)
    );
}

//! `/v1/plan` and `offpeak plan`: a time for each certificate of a fleet.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use offpeak::domain::time::{DAY, HOUR, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::process::offpeak;
use crate::server::{INGEST, NOW, TestServer, config, json};
use crate::tools::told;

fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

async fn asked(server: &TestServer, request: &Value) -> (StatusCode, Value) {
    let answer = server
        .as_admin(Method::POST, "/v1/plan")
        .json(request)
        .send()
        .await
        .unwrap();
    (answer.status(), json(answer).await)
}

#[tokio::test]
async fn a_server_plans_a_fleet_over_its_own_forecast() {
    let server = TestServer::start().await;
    let (status, plan) = asked(&server, &json!({"count": 1_500, "seed": "a"})).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    assert_eq!(
        plan,
        asked(&server, &json!({"count": 1_500, "seed": "a"}))
            .await
            .1
    );
    assert_eq!(plan["limits"]["asOf"], "2026-08-05");
    let two_days = (NOW + 2 * DAY).to_string();
    let request = json!({"count": 1_500, "deadline": two_days, "limits": "none",
        "allow": "22:00-06:00", "tz": "Europe/Prague", "maxConcurrent": 20, "orderSeconds": 30});
    let (status, plan) = asked(&server, &request).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    assert_eq!(plan["ca"], "example");
    assert_eq!(plan["count"], 1_500);
    assert_eq!(plan["limits"], json!({"name": "none"}));
    let mut hours: BTreeMap<i64, u32> = BTreeMap::new();
    for item in plan["items"].as_array().unwrap() {
        let at = instant(&item["at"]);
        assert!(at > NOW && at < NOW + 2 * DAY);
        // Prague is an hour ahead: from 21:00 to 05:00.
        let hour = at.second_of_day() / HOUR;
        assert!(hour >= 21 || hour < 5, "{at}");
        *hours.entry(at.slot(HOUR)).or_default() += 1;
    }
    // Nothing is known of the hours: 16 of them alike.
    assert_eq!(hours.len(), 16);
    assert!(
        hours.values().all(|count| (92..=96).contains(count)),
        "{hours:?}"
    );
    // It is 10:00 UTC: nothing is to begin now.
    assert_eq!(
        (&plan["pace"], &plan["admit"]),
        (&json!(0.0), &json!(false))
    );
    assert_eq!(plan["wait"], "nothing is planned in this slot");
}

#[tokio::test]
async fn a_refusal_names_the_limit_who_misses_and_what_would_do() {
    let server = TestServer::start().await;
    let items: Vec<Value> = (0..400)
        .map(|n| json!({"id": format!("shop-{n}"), "names": [format!("s{n}.example")]}))
        .collect();
    let deadline = (NOW + 30 * 60).to_string();
    let request = json!({"items": items, "deadline": deadline, "account": "acme-1"});
    let (status, problem) = asked(&server, &request).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        (&problem["type"], &problem["status"]),
        (&json!("about:blank"), &json!(422))
    );
    let refusal = &problem["refusal"];
    assert_eq!(refusal["limit"], "new orders per account");
    // 300 at once and one each 36 s of the 1,798 s behind the first.
    assert_eq!(refusal["misses"], 400 - 300 - 49);
    assert!(refusal["missing"][0].as_str().unwrap().starts_with("shop-"));
    assert_eq!(
        refusal["changes"][0],
        json!({"change": "accounts", "to": 2})
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("300 be in 3 h (letsencrypt, 2026-08-05)"),
        "{detail}"
    );
    assert!(
        detail.contains("spread the fleet over 2 accounts"),
        "{detail}"
    );
    // The deadline that it proposes does.
    let deadline = &refusal["changes"].as_array().unwrap().last().unwrap()["to"];
    let request = json!({"items": request["items"], "deadline": deadline, "account": "acme-1"});
    let (status, plan) = asked(&server, &request).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    // Renewals that name what they replace are exempt.
    let mut by_ari = request.clone();
    by_ari["deadline"] = json!(NOW + 30 * 60);
    for item in by_ari["items"].as_array_mut().unwrap() {
        item["ari"] = json!(true);
    }
    by_ari["deadline"] = json!((NOW + 30 * 60).to_string());
    assert_eq!(asked(&server, &by_ari).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_registered_certificate_is_planned_into_its_window() {
    let server = TestServer::start().await;
    let id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    server.register(id, NOW, NOW + 90 * DAY).await;
    let info = json(server.get(&format!("/renewal-info/{id}")).await).await;
    let (status, plan) = asked(&server, &json!({"items": [{"certId": id}]})).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    let item = &plan["items"][0];
    assert_eq!(item["certId"], id);
    let at = instant(&item["at"]);
    let window = &info["suggestedWindow"];
    assert!(
        instant(&window["start"]) <= at && at < instant(&window["end"]),
        "{at} {window}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let server = TestServer::start().await;
    for (request, status, detail) in [
        (json!({}), 400, "give one of items and count"),
        (json!({"count": 0}), 400, "items: there is no certificate"),
        (
            json!({"count": 2_000_000}),
            400,
            "items: there are 1000001, 1000000 are the most",
        ),
        (
            json!({"count": 1, "deadlin": 1}),
            400,
            "unknown field `deadlin`",
        ),
        (
            json!({"count": 1, "deadline": "2020-01-01T00:00:00Z"}),
            400,
            "deadline: 2020",
        ),
        (
            json!({"count": 1, "maxRate": 0}),
            400,
            "maxRate: 0 is less than one a day",
        ),
        (
            json!({"count": 1, "maxConcurrent": 0}),
            400,
            "maxConcurrent: it has to be 1",
        ),
        (
            json!({"count": 1, "limits": "zerossl"}),
            400,
            "limits: \"zerossl\" is neither",
        ),
        (
            json!({"count": 1, "allow": "8"}),
            400,
            "allow: \"8\" is no span",
        ),
        (
            json!({"count": 1, "tz": "Prag"}),
            400,
            "tz: \"Prag\" is no time zone",
        ),
        (json!({"items": [{"names": [""]}]}), 400, "items[0].names:"),
        (
            json!({"count": 1, "ca": "nobody"}),
            404,
            "no CA is named \"nobody\"",
        ),
    ] {
        let (got, problem) = asked(&server, &request).await;
        assert_eq!(got.as_u16(), status, "{request}: {problem}");
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains(detail), "{request}: {said}");
    }
    let ingest = server
        .ask_admin(Method::POST, "/v1/plan")
        .bearer_auth(INGEST);
    let ingest = ingest.json(&json!({"count": 1}));
    assert_eq!(ingest.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_older_catalogue_can_be_given_and_stops_workers_at_five_sixths() {
    let server = TestServer::on("sqlite::memory:", config()).await;
    let limits = json!({"name": "2018", "asOf": "2018-07-10", "source": "archive",
        "limits": [{"name": "pending authorizations", "scope": "pending", "count": 300}]});
    for (in_flight, admit) in [(249, true), (250, false)] {
        let request = json!({"count": 200_000, "limits": limits, "inFlight": in_flight,
            "orderSeconds": 3600});
        let (status, plan) = asked(&server, &request).await;
        assert_eq!(status, StatusCode::OK, "{plan}");
        assert_eq!(plan["admit"], admit, "{in_flight}: {}", plan["wait"]);
        assert_eq!(plan["limits"]["asOf"], "2018-07-10");
    }
}

fn ranking(folder: &Path) -> String {
    let slots: Vec<Value> = (0..24)
        .map(|hour| json!({"weight": if hour < 12 { 0.0625 } else { 0.020_833 }}))
        .collect();
    let ranking = json!({"schemaVersion": "1.0", "modelVersion": "m", "ca": "example",
        "slotMinutes": 60, "validUntil": "2096-01-01T00:00:00Z", "slots": slots, "avoid": []});
    let file = folder.join("ranking.json");
    fs::write(&file, ranking.to_string()).unwrap();
    file.display().to_string()
}

fn run(arguments: &[&str], input: &str) -> Output {
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

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", told(output));
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
        told(&output).contains("2 planned from"),
        "{}",
        told(&output)
    );
    assert!(told(&output).contains("limits of letsencrypt of 2026-08-05"));
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
    let reason = told(&refused);
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
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        assert!(
            told(&output).contains(reason),
            "{arguments:?}: {}",
            told(&output)
        );
    }
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

#[test]
fn folders_of_clients_are_read_as_they_are() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let authority = Issuer::new(params, key);
    let now = i64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &str| {
        let path = folder.path().join(path);
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
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    write(
        "other/some.pem",
        &pem(&authority, &["plain.example"], 1, now),
    );

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
    write("other/broken.pem", broken);
    let output = run(&arguments, "");
    assert_eq!(output.status.code(), Some(3));
    assert!(told(&output).contains("broken.pem"), "{}", told(&output));
}

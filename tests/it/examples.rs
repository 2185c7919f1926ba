//! `examples/`: each runs against a server, or a ranking alone, and does what its first lines say.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use offpeak::domain::time::{DAY, Timestamp};
use offpeak::engine::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::server::TestServer;
use crate::tools::{output_text, run, tool};

#[path = "../../examples/best_time.rs"]
#[expect(
    dead_code,
    reason = "its main reads standard input; what it prints is asked for here"
)]
mod best_time;

/// A client in more lines than this is no example.
const MOST_LINES: usize = 30;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A server that goes by the clock on the wall, with something published.
async fn published() -> TestServer {
    let server = TestServer::start().await;
    server.clock.set(SystemClock.now());
    server.engine.publish().await.unwrap();
    server
}

fn example(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(examples().join(name));
    command.args(arguments).env("no_proxy", "127.0.0.1");
    command
}

async fn ran(mut command: Command) -> Output {
    spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// A line for a crontab that comes at this hour.
fn hour_of(line: &str) -> usize {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [minute, hour, "*", "*", "*", "sleep", second, ..] = fields[..] else {
        panic!("{line}");
    };
    let second = second.trim_end_matches(';');
    assert!(minute.parse::<u32>().unwrap() < 60, "{line}");
    assert!(second.parse::<u32>().unwrap() < 60, "{line}");
    hour.parse().unwrap()
}

/// Hours 0, 2 and 3 alone.
fn ranking(folder: &Path) -> String {
    let weight = |hour| match hour {
        0 => 0.5,
        2 | 3 => 0.25,
        _ => 0.0,
    };
    let slots: Vec<_> = (0..24)
        .map(|hour| json!({"weight": weight(hour)}))
        .collect();
    let ranking = json!({"schemaVersion": "1.1", "slotMinutes": 60, "slots": slots});
    let file = folder.join("ranking.json");
    fs::write(&file, ranking.to_string()).unwrap();
    file.display().to_string()
}

#[test]
fn each_has_under_thirty_lines_and_stands_in_the_list() {
    let list = fs::read_to_string(examples().join("README.md")).unwrap();
    for entry in fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < MOST_LINES, "{name} has {lines} lines");
        assert!(
            name == "README.md" || list.contains(&format!("({name})")),
            "{name}"
        );
        let is_program = path
            .extension()
            .is_some_and(|extension| extension == "sh" || extension == "py");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111 != 0, is_program, "{name}");
    }
}

#[test]
fn a_ranking_alone_is_enough_for_python_and_for_jq() {
    let folder = tempfile::tempdir().unwrap();
    let ranking = ranking(folder.path());
    let mut hours = [0; 24];
    for _ in 0..20 {
        let at: Timestamp = run(&mut example("best_time.py", &[&ranking]))
            .trim()
            .parse()
            .unwrap();
        let ahead = at - SystemClock.now();
        assert!(ahead > -60 && ahead <= DAY, "{at}");
        hours[usize::try_from(at.second_of_day() / 3_600).unwrap()] += 1;
        let url = format!("file://{ranking}");
        let line = run(&mut example("ranking-jq.sh", &[&url]));
        hours[hour_of(&line)] += 1;
    }
    assert_eq!(hours[0] + hours[2] + hours[3], 40, "{hours:?}");
    // All of 40 in one of the three is one in 10^11.
    assert!(
        hours.iter().filter(|count| **count > 0).count() > 1,
        "{hours:?}"
    );
}

#[test]
fn a_ranking_alone_is_enough_for_rust() {
    let folder = tempfile::tempdir().unwrap();
    let file = ranking(folder.path());
    let mut ranking: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut hours = [0_u32; 24];
    for _ in 0..4_000 {
        hours[hour_of(&best_time::crontab_line(&ranking).unwrap())] += 1;
    }
    // One half and two quarters of 4,000, each within five standard deviations.
    assert!(hours[0].abs_diff(2_000) < 160, "{hours:?}");
    assert!(hours[2].abs_diff(1_000) < 140, "{hours:?}");
    assert_eq!(hours[0] + hours[2] + hours[3], 4_000, "{hours:?}");
    ranking["schemaVersion"] = json!("2.0");
    let refused = best_time::crontab_line(&ranking).unwrap_err().to_string();
    assert_eq!(refused, "this program knows no ranking of version \"2.0\"");
}

#[test]
fn a_ranking_alone_is_enough_for_go() {
    let Some(go) = tool("OFFPEAK_TEST_GO") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("best_time");
    run(Command::new(go)
        .args(["build", "-o"])
        .arg(&program)
        .arg(examples().join("best_time.go"))
        .envs([("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=mod")])
        .env("GOCACHE", folder.path().join("cache")));
    let ranking = ranking(folder.path());
    let draw = |ranking: &str| {
        let mut command = Command::new(&program);
        command.stdin(fs::File::open(ranking).unwrap());
        command.output().unwrap()
    };
    let mut hours = [0_u32; 24];
    for _ in 0..400 {
        let line = String::from_utf8(draw(&ranking).stdout).unwrap();
        hours[hour_of(&line)] += 1;
    }
    // One half and two quarters of 400, each within five standard deviations.
    assert!(hours[0].abs_diff(200) < 50, "{hours:?}");
    assert!(hours[2].abs_diff(100) < 44, "{hours:?}");
    assert_eq!(hours[0] + hours[2] + hours[3], 400, "{hours:?}");
    let newer = folder.path().join("newer.json");
    let text = fs::read_to_string(&ranking).unwrap();
    fs::write(&newer, text.replace("\"1.1\"", "\"2.0\"")).unwrap();
    let refused = draw(newer.to_str().unwrap());
    assert!(!refused.status.success() && refused.stdout.is_empty());
}

#[tokio::test]
async fn the_shell_waits_for_its_moment_and_renews() {
    let server = published().await;
    let folder = tempfile::tempdir().unwrap();
    // A night that is over at once, and says how long it would have been.
    let sleep = folder.path().join("sleep");
    fs::write(&sleep, "#!/bin/sh\necho slept $1\n").unwrap();
    fs::set_permissions(&sleep, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    // Without a server any moment of the day does: a certificate has to be renewed all the same.
    for server in [server.public.as_str(), "http://127.0.0.1:1"] {
        let mut command = example("best-time.sh", &[server, "echo", "renewed"]);
        command.env("PATH", &path);
        let output = ran(command).await;
        let text = output_text(&output);
        assert!(output.status.success(), "{text}");
        let slept = text.lines().find_map(|line| line.strip_prefix("slept "));
        let seconds: i64 = slept.unwrap().parse().unwrap();
        assert!(
            (0..=DAY).contains(&seconds) && text.contains("renewed"),
            "{text}"
        );
    }
}

#[test]
fn python_keeps_out_of_what_is_to_be_avoided() {
    let folder = tempfile::tempdir().unwrap();
    let file = ranking(folder.path());
    let mut ranking: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    // Hour 0 of today and of tomorrow: half of all that is drawn.
    let midnight = SystemClock.now() - SystemClock.now().second_of_day();
    let closed = |at: Timestamp| json!({"from": at.to_string(), "to": (at + 3_600).to_string()});
    ranking["avoid"] = json!([
        closed(midnight),
        closed(midnight + DAY),
        closed(midnight + 2 * DAY)
    ]);
    fs::write(&file, ranking.to_string()).unwrap();
    for _ in 0..20 {
        let at = run(&mut example("best_time.py", &[&file]));
        assert!(at.contains("T02:") || at.contains("T03:"), "{at}");
    }
}

#[tokio::test]
async fn a_timer_and_certbot_s_cron_line_move() {
    let server = published().await;
    let folder = tempfile::tempdir().unwrap();
    let units = folder.path().display().to_string();
    for _ in 0..2 {
        let command = example(
            "systemd-timer.sh",
            &[&server.public, "certbot.timer", &units],
        );
        let output = ran(command).await;
        assert!(output.status.success(), "{}", output_text(&output));
    }
    let written = fs::read_dir(folder.path().join("certbot.timer.d"))
        .unwrap()
        .count();
    assert_eq!(written, 1);
    let drop_in =
        fs::read_to_string(folder.path().join("certbot.timer.d/quiet-hour.conf")).unwrap();
    let calendar = drop_in
        .lines()
        .filter_map(|line| line.strip_prefix("OnCalendar="))
        .next_back();
    let calendar = calendar.unwrap().to_owned();
    assert!(
        calendar.starts_with("*-*-* ") && calendar.ends_with(" UTC"),
        "{drop_in}"
    );
    if let Some(analyze) = tool("OFFPEAK_TEST_SYSTEMD_ANALYZE") {
        run(Command::new(analyze).args(["calendar", &calendar]));
    }
    let crontab = folder.path().join("certbot");
    // As Debian 12 and 11 write it, without its wait and with one, and as somebody else does.
    let guard = "test -x /usr/bin/certbot -a \\! -d /run/systemd/system && ";
    let wait = "perl -e 'sleep int(rand(43200))' && ";
    for (command, want) in [
        (
            format!("{guard}{wait}certbot -q renew --no-random-sleep-on-renew"),
            format!("{guard}certbot -q renew --no-random-sleep-on-renew"),
        ),
        (
            format!("{guard}{wait}certbot -q renew"),
            format!("{guard}certbot -q renew --no-random-sleep-on-renew"),
        ),
        (
            "/opt/bin/certbot renew --quiet".to_owned(),
            "/opt/bin/certbot renew --quiet --no-random-sleep-on-renew".to_owned(),
        ),
    ] {
        let before =
            format!("# certbot renew is kept\nSHELL=/bin/sh\n0 */12 * * * root {command}\n");
        fs::write(&crontab, before).unwrap();
        for _ in 0..2 {
            let mut command = example("certbot-deploy-hook.sh", &[]);
            command
                .env("OFFPEAK_SERVER", &server.public)
                .env("CRONTAB", &crontab);
            let output = ran(command).await;
            assert!(output.status.success(), "{}", output_text(&output));
        }
        let after = fs::read_to_string(&crontab).unwrap();
        let [kept, shell, line] = after.lines().collect::<Vec<_>>()[..] else {
            panic!("{after}");
        };
        assert_eq!((kept, shell), ("# certbot renew is kept", "SHELL=/bin/sh"));
        let (time, rest) = line.split_once(" root sleep ").unwrap();
        assert!(time.ends_with(" * * *"), "{after}");
        let (_, run) = rest.split_once("; ").unwrap();
        assert_eq!(run, want);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn ansible_gives_each_host_a_time_of_its_own() {
    let Some(python) = tool("OFFPEAK_TEST_PYTHON") else {
        return;
    };
    let server = published().await;
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("hosts");
    let host = |name: &str| {
        let file = folder.path().join(name);
        format!(
            "{name} ansible_connection=local ansible_python_interpreter={} cron_file={}\n",
            python.display(),
            file.display()
        )
    };
    fs::write(&inventory, ["one", "two"].map(host).concat()).unwrap();
    let mut command = Command::new(python.with_file_name("ansible-playbook"));
    command
        .arg("-i")
        .arg(&inventory)
        .args(["-e", &format!("offpeak={}", server.public)])
        .arg(examples().join("ansible.yml"))
        .env("no_proxy", "127.0.0.1")
        .env("ANSIBLE_HOME", folder.path().join("home"))
        .env("ANSIBLE_LOCALHOST_WARNING", "False");
    let output = ran(command).await;
    assert!(output.status.success(), "{}", output_text(&output));
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (one, two) = (read("one"), read("two"));
    assert!(
        one.contains(" * * * root sleep ")
            && one.ends_with("; certbot -q renew --no-random-sleep-on-renew\n"),
        "{one}"
    );
    assert_ne!(one, two);
}

//! `offpeak demo`: what it says it shows, it shows, and goes on to.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::offpeak;
use crate::tools::run;

#[test]
fn the_demo_shows_what_it_says() {
    let child = offpeak()
        .args([
            "demo",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut demo = Ended(child.unwrap());
    let child = &mut demo.0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut curls = Vec::new();
    for line in &mut lines {
        let line = line.unwrap();
        if let Some((_, curl)) = line.split_once("curl -s") {
            curls.push(format!("curl -s{curl}"));
        }
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    assert!(curls.len() >= 4, "{curls:?}");
    for curl in curls.iter().filter(|curl| !curl.contains("@cert.pem")) {
        let said = Command::new("sh")
            .args(["-c", &format!("{curl} --fail --noproxy '*'")])
            .output()
            .unwrap();
        assert!(said.status.success(), "{curl}: {said:?}");
        assert!(!said.stdout.is_empty(), "{curl}");
    }
    // The last hour is there, and its load goes on: the minute that has passed is told of.
    let ranking = curls.iter().find(|curl| curl.contains("/ranking.json"));
    let url = ranking.unwrap().rsplit(' ').next().unwrap();
    let ask = |path: &str| -> Value {
        let url = url.replace("/ranking.json", path);
        let said = run(Command::new("curl").args(["-sf", "--noproxy", "*", &url]));
        serde_json::from_str(&said).unwrap()
    };
    let live = ask("/v1/live?ca=demo");
    let series = live["series"].as_array().unwrap().iter();
    let of_ca = series.filter(|one| one["source"] == "ca").count();
    assert_eq!(of_ca, 1, "{live}");
    let points = live["series"][0]["points"].as_array().unwrap();
    let unknown = points.iter().filter(|point| point.is_null()).count();
    assert!(unknown <= 2, "{live}");
    let status = || ask("/v1/status?ca=demo")["cas"][0].clone();
    let first = status();
    assert_eq!(first["status"], "ok", "{first}");
    let begun = Instant::now();
    // A minute until the next is over, and half of one until it is read.
    while status()["dataThrough"] == first["dataThrough"] {
        assert!(begun.elapsed() < Duration::from_mins(3), "{}", status());
        std::thread::sleep(Duration::from_secs(2));
    }
    let stop = format!("kill -INT {}", child.id());
    let sent = Command::new("sh").args(["-c", &stop]).status();
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A process that ends with the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! The generator against servers that answer as they are told.

use std::io::BufRead as _;
use std::net::{SocketAddr, TcpListener};

use super::*;

const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine";
const SHORT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nfin";
const MISSING: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nfine";

/// A server that gives each connection these answers in turn; an empty one closes it.
fn server(answers: &'static [&'static str], stall: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            std::thread::spawn(move || {
                let mut asked = io::BufReader::new(socket.try_clone().unwrap()).lines();
                let mut answers = answers.iter().cycle();
                let mut stall = stall;
                while asked
                    .by_ref()
                    .any(|line| line.is_ok_and(|line| line.is_empty()))
                {
                    std::thread::sleep(std::mem::take(&mut stall));
                    let answer = answers.next().unwrap();
                    if answer.is_empty() || socket.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

fn load(address: SocketAddr, requests: u64, connections: usize, rate: Option<f64>) -> Load {
    Load {
        address,
        warm_up_seconds: 0.0,
        seconds: 3_600.0,
        most_requests: Some(requests),
        streams: vec![Stream {
            ask: Ask::Registered(1_000),
            expect: Expect {
                statuses: vec![200, 404],
                body_octets: Some(4),
                begins: "fi".to_owned(),
            },
            connections,
            rate,
            seed: 1,
        }],
    }
}

#[test]
fn every_answer_is_counted_once_and_checked() {
    let address = server(&[FINE, FINE, MISSING, SHORT], Duration::ZERO);
    let outcome = run(&load(address, 400, 5, None)).unwrap();
    let stream = &outcome.streams[0];
    assert_eq!((outcome.answers_in_all, stream.answers), (400, 400));
    // Connections are not equally quick: each may be anywhere among its four answers.
    let [right, missing] = stream.by_status[..] else {
        panic!("{stream:?}");
    };
    assert_eq!(right + missing, 400);
    assert!((98..=105).contains(&missing), "{stream:?}");
    assert!((93..=100).contains(&stream.wrong), "{stream:?}");
    let wrong = stream.first_wrong.as_deref();
    assert_eq!(wrong, Some("200 with 3 octets: fin…"));
}

#[test]
fn a_connection_that_breaks_is_wrong_and_opened_again() {
    let address = server(&[FINE, ""], Duration::ZERO);
    let outcome = run(&load(address, 40, 1, None)).unwrap();
    let stream = &outcome.streams[0];
    assert_eq!((outcome.answers_in_all, stream.wrong), (20, 20));
}

#[test]
fn what_waits_for_a_late_answer_counts_as_late() {
    // All 50 are due within 50 ms and wait for the first, which takes 200.
    let address = server(&[FINE], Duration::from_millis(200));
    let outcome = run(&load(address, 50, 1, Some(1_000.0))).unwrap();
    let stream = &outcome.streams[0];
    assert_eq!((stream.answers, stream.wrong), (50, 0));
    assert!(stream.p50_micros >= 150_000.0, "{stream:?}");
}

#[test]
fn what_was_due_and_never_asked_counts_as_late() {
    let address = server(&[FINE], Duration::from_millis(400));
    let load = Load {
        seconds: 0.2,
        most_requests: None,
        ..load(address, 0, 1, Some(1_000.0))
    };
    let stream = &run(&load).unwrap().streams[0];
    // The first is under way; the 199 others, and those that a busy machine adds.
    assert!(stream.answers >= 200, "{stream:?}");
    assert!(stream.p50_micros >= 90_000.0, "{stream:?}");
}

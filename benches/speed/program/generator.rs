//! Asks: a single thread over epoll, which does as little as can be done to each request, so that
//! the server's core is the one that is used up.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use offpeak::domain::math::number::real;

use super::answer::{Answer, Reader};
use super::histogram::Histogram;
use super::load::{Ask, Expect, Load, Outcome, Stream, StreamOutcome};
use super::process::cpu_seconds;
use super::registry::{CERT_ID_CHARACTERS, Choice, cert_id, drawn_row};

/// The longest answer read in one piece; longer ones take several.
const READ_OCTETS: usize = 64 << 10;
/// How long the last answers may take after the end.
const DRAIN: Duration = Duration::from_secs(10);
/// Until when a closed loop looks at the clock where no answer comes.
const PATIENCE: Duration = Duration::from_millis(100);

/// Asks what `load` says.
pub(super) fn run(load: &Load) -> anyhow::Result<Outcome> {
    let mut generator = Generator::new(load)?;
    generator.run()?;
    Ok(generator.outcome())
}

struct Generator<'a> {
    load: &'a Load,
    poll: Poll,
    /// Of all streams; a connection's place is its token.
    connections: Vec<Connection>,
    lanes: Vec<Lane<'a>>,
    /// Requests that may still be asked.
    left: u64,
    answers_in_all: u64,
    began: Instant,
    measured_from: Instant,
    until: Instant,
    buffer: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    reader: Reader,
    lane: usize,
    /// When the request under way was due; `None` where there is none.
    due: Option<Instant>,
}

/// A stream while it runs.
struct Lane<'a> {
    stream: &'a Stream,
    choice: Option<Choice>,
    request: Vec<u8>,
    /// Requests asked so far.
    asked: u64,
    began: Instant,
    /// Connections without a request under way.
    idle: Vec<usize>,
    latencies: Histogram,
    by_status: Vec<u64>,
    wrong: u64,
    first_wrong: Option<String>,
}

impl<'a> Generator<'a> {
    fn new(load: &'a Load) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let began = Instant::now();
        let mut connections = Vec::new();
        let mut lanes = Vec::new();
        for stream in &load.streams {
            let mut lane = Lane::new(stream, load, began);
            for _ in 0..stream.connections {
                let token = Token(connections.len());
                let connection = Connection::open(load, lanes.len())
                    .with_context(|| format!("cannot connect to {}", load.address))?;
                lane.idle.push(token.0);
                connections.push(connection);
                poll.registry().register(
                    &mut connections[token.0].socket,
                    token,
                    Interest::READABLE,
                )?;
            }
            lanes.push(lane);
        }
        let began = Instant::now();
        for lane in &mut lanes {
            lane.began = began;
        }
        let measured_from = began + Duration::from_secs_f64(load.warm_up_seconds);
        Ok(Self {
            load,
            poll,
            connections,
            lanes,
            left: load.most_requests.unwrap_or(u64::MAX),
            answers_in_all: 0,
            began,
            measured_from,
            until: measured_from + Duration::from_secs_f64(load.seconds),
            buffer: vec![0; READ_OCTETS],
        })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1_024);
        let is_open_loop = self.lanes.iter().any(|lane| lane.stream.rate.is_some());
        // With a schedule it spins: epoll cannot wait for less than a millisecond.
        let wait = if is_open_loop {
            Duration::ZERO
        } else {
            PATIENCE
        };
        loop {
            let now = Instant::now();
            if now >= self.until || self.left == 0 {
                break;
            }
            for lane in 0..self.lanes.len() {
                self.ask_what_is_due(lane, now)?;
            }
            self.listen(&mut events, wait)?;
        }
        self.drain(&mut events)
    }

    /// What was due and not even asked is as late as the run was long after it: left out, a server
    /// that falls behind would look fast.
    fn drain(&mut self, events: &mut Events) -> anyhow::Result<()> {
        let ended = Instant::now();
        self.left = 0;
        if ended >= self.until {
            for lane in &mut self.lanes {
                lane.count_overdue(ended, self.measured_from);
            }
        }
        while self.connections.iter().any(|one| one.due.is_some()) {
            if ended.elapsed() > DRAIN {
                bail!("some answers did not come within {} s", DRAIN.as_secs());
            }
            self.listen(events, PATIENCE)?;
        }
        Ok(())
    }

    fn ask_what_is_due(&mut self, lane: usize, now: Instant) -> io::Result<()> {
        while self.left > 0 {
            let due = match self.lanes[lane].next_due() {
                None => now,
                Some(due) if due <= now => due,
                Some(_) => break,
            };
            let Some(connection) = self.lanes[lane].idle.pop() else {
                break;
            };
            self.ask(connection, due)?;
        }
        Ok(())
    }

    fn ask(&mut self, connection: usize, due: Instant) -> io::Result<()> {
        let one = &mut self.connections[connection];
        let request = self.lanes[one.lane].next_request();
        self.left -= 1;
        one.due = Some(due);
        // A request is smaller than any socket's buffer, and nothing else is in it.
        one.socket.write_all(request)
    }

    fn listen(&mut self, events: &mut Events, wait: Duration) -> anyhow::Result<()> {
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            self.read(event.token().0)?;
        }
        Ok(())
    }

    fn read(&mut self, connection: usize) -> anyhow::Result<()> {
        loop {
            let one = &mut self.connections[connection];
            let octets = match one.socket.read(&mut self.buffer) {
                Ok(octets) => octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => 0,
            };
            if octets == 0 {
                return self.reopen(connection);
            }
            let Ok(answer) = one.reader.push(&self.buffer[..octets]) else {
                bail!("no HTTP/1.1 answer with a length came");
            };
            if let Some(answer) = answer {
                self.answered(connection, answer)?;
                // There is no more before the next request; what that brings is another event.
                return Ok(());
            }
        }
    }

    fn answered(&mut self, connection: usize, answer: Answer) -> anyhow::Result<()> {
        let now = Instant::now();
        let one = &mut self.connections[connection];
        let Some(due) = one.due.take() else {
            bail!("an answer came that nobody asked for");
        };
        let lane = &mut self.lanes[one.lane];
        self.answers_in_all += 1;
        lane.check(&answer);
        if due >= self.measured_from && due < self.until {
            lane.latencies.record(nanos(now - due));
        }
        if lane.stream.rate.is_none() && self.left > 0 && now < self.until {
            return Ok(self.ask(connection, now)?);
        }
        lane.idle.push(connection);
        Ok(())
    }

    /// The server closed a connection: wrong where it owed an answer.
    fn reopen(&mut self, connection: usize) -> anyhow::Result<()> {
        let lane = self.connections[connection].lane;
        if self.connections[connection].due.is_some() {
            self.lanes[lane].is_wrong(|| "the connection broke before the answer".to_owned());
            self.lanes[lane].idle.push(connection);
        }
        let old = &mut self.connections[connection];
        self.poll.registry().deregister(&mut old.socket)?;
        *old = Connection::open(self.load, lane).context("cannot connect again")?;
        self.poll
            .registry()
            .register(&mut old.socket, Token(connection), Interest::READABLE)?;
        Ok(())
    }

    fn outcome(&self) -> Outcome {
        let seconds = if self.load.most_requests.is_some() {
            self.measured_from.elapsed().as_secs_f64()
        } else {
            self.load.seconds
        };
        Outcome {
            answers_in_all: self.answers_in_all,
            cpu_seconds: cpu_seconds(std::process::id()).unwrap_or(0.0),
            elapsed_seconds: self.began.elapsed().as_secs_f64(),
            streams: self
                .lanes
                .iter()
                .map(|lane| lane.outcome(seconds))
                .collect(),
        }
    }
}

impl Connection {
    fn open(load: &Load, lane: usize) -> io::Result<Self> {
        let socket = std::net::TcpStream::connect(load.address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: TcpStream::from_std(socket),
            reader: Reader::default(),
            lane,
            due: None,
        })
    }
}

impl<'a> Lane<'a> {
    fn new(stream: &'a Stream, load: &Load, began: Instant) -> Self {
        let (choice, path) = match &stream.ask {
            Ask::Path(path) => (None, path.clone()),
            Ask::Registered(rows) => (Some(Choice::Registered(*rows)), with_room()),
            Ask::Unknown => (Some(Choice::Unknown), with_room()),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: offpeak-bench\r\nAccept: */*\r\n\r\n",
            load.address
        );
        Self {
            stream,
            choice,
            request: request.into_bytes(),
            asked: 0,
            began,
            idle: Vec::new(),
            latencies: Histogram::new(),
            by_status: vec![0; stream.expect.statuses.len()],
            wrong: 0,
            first_wrong: None,
        }
    }

    /// When the next request is due; `None` where there is no schedule.
    fn next_due(&self) -> Option<Instant> {
        let rate = self.stream.rate?;
        let after = real(i64::try_from(self.asked).unwrap_or(i64::MAX)) / rate;
        Some(self.began + Duration::from_secs_f64(after))
    }

    fn next_request(&mut self) -> &[u8] {
        if let Some(choice) = self.choice {
            let row = drawn_row(choice, self.stream.seed, self.asked);
            self.request[BEFORE_ID..BEFORE_ID + CERT_ID_CHARACTERS].copy_from_slice(&cert_id(row));
        }
        self.asked += 1;
        &self.request
    }

    fn check(&mut self, answer: &Answer) {
        let Expect {
            statuses,
            body_octets,
            begins,
        } = &self.stream.expect;
        let known = statuses.iter().position(|status| *status == answer.status);
        if let Some(at) = known {
            self.by_status[at] += 1;
        }
        let is_right = known.is_some()
            && body_octets.is_none_or(|octets| octets == answer.body_octets)
            && answer.begins_with(begins);
        if !is_right {
            self.is_wrong(|| answer.to_string());
        }
    }

    fn is_wrong(&mut self, what: impl FnOnce() -> String) {
        self.wrong += 1;
        self.first_wrong.get_or_insert_with(what);
    }

    fn count_overdue(&mut self, ended: Instant, measured_from: Instant) {
        while let Some(due) = self.next_due().filter(|due| *due < ended) {
            self.asked += 1;
            if due >= measured_from {
                self.latencies.record(nanos(ended - due));
            }
        }
    }

    fn outcome(&self, seconds: f64) -> StreamOutcome {
        let answers = self.latencies.total();
        let micros = |nanos: u64| real(i64::try_from(nanos).unwrap_or(i64::MAX)) / 1e3;
        let quantile = |per_mille| micros(self.latencies.quantile_nanos(per_mille));
        StreamOutcome {
            answers,
            per_second: real(i64::try_from(answers).unwrap_or(i64::MAX)) / seconds,
            wrong: self.wrong,
            first_wrong: self.first_wrong.clone(),
            by_status: self.by_status.clone(),
            p50_micros: quantile(500),
            p99_micros: quantile(990),
            p999_micros: quantile(999),
            most_micros: micros(self.latencies.most_nanos()),
        }
    }
}

const PREFIX: &str = "/renewal-info/";
/// Octets of a request before its CertID.
const BEFORE_ID: usize = "GET ".len() + PREFIX.len();

/// The path of a `renewalInfo`, with room for a CertID.
fn with_room() -> String {
    format!("{PREFIX}{}", "x".repeat(CERT_ID_CHARACTERS))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "generator_tests.rs"]
mod tests;

//! The accept loop of all listeners: HTTP/1.1 and HTTP/2, by ALPN with TLS and by prior knowledge
//! without it. Every wait has a limit.
//!
//! `axum::serve` has no header timeout and no limits on connections and streams; a public server
//! needs all three.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};

use super::app::App;
use attend::{Attendance, ConnectionState};
use listen::{Accept, MOST_QUEUED};
use neighbours::Places;
use stream::{Connected, Stream};

mod attend;
mod drive;
mod interim;
mod limits;
mod listen;
pub(crate) mod neighbours;
mod stream;
mod tls;

pub(crate) use interim::Interim;
pub use limits::Limits;
pub use listen::{InheritedSockets, Listener};
pub use neighbours::{Neighbour, Neighbourhood};
pub use tls::{Tls, TlsError};

/// The pause after an `accept` that failed for lack of a resource (descriptors, memory): long
/// enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often another connection is asked to close while a new one waits; connections that were
/// asked to finish may take a moment.
const BETWEEN_NUDGES: Duration = Duration::from_millis(250);

/// How often the remaining connections are checked while draining.
const WHILE_DRAINING: Duration = Duration::from_millis(100);

/// How the listener stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Requests in progress are finished, and nothing else.
    AtOnce,
    /// Without losing a request: for [`Limits::grace`] new connections are accepted as before, each
    /// answer says that its connection will close, and kept connections are left to end this way.
    WithGrace,
}

impl From<()> for Stop {
    fn from((): ()) -> Self {
        Self::WithGrace
    }
}

/// Serves until `shutdown` says how to stop, then finishes the requests in progress within
/// `limits.drain`, and returns.
pub async fn serve(
    listener: impl Into<Listener>,
    app: impl Into<App>,
    shutdown: impl Future<Output = impl Into<Stop>> + Send,
    limits: Limits,
) {
    let listener = listener.into();
    let server = Server::new(&listener, app.into(), limits);
    server.run(listener, shutdown).await;
}

/// A listener and its connections.
struct Server {
    tls: Option<Arc<Tls>>,
    app: App,
    limits: Limits,
    neighbourhood: Arc<Neighbourhood>,
    attendance: Attendance,
    connections: JoinSet<()>,
    places: Places,
    /// A connection that waits for another to close.
    waiting: Option<Connected>,
}

impl Server {
    fn new(listener: &Listener, app: App, limits: Limits) -> Self {
        Self {
            tls: listener.tls(),
            app,
            limits,
            neighbourhood: listener.neighbourhood(),
            attendance: Attendance::new(limits),
            connections: JoinSet::new(),
            places: Places::default(),
            waiting: None,
        }
    }

    async fn run(
        mut self,
        listener: impl Accept,
        shutdown: impl Future<Output = impl Into<Stop>> + Send,
    ) {
        let stop = self.take_until(&listener, shutdown).await.into();
        if stop == Stop::WithGrace {
            self.attendance.close_with_answers();
            self.take_until(&listener, sleep(self.limits.grace)).await;
            self.take_rest(&listener).await;
        }
        drop(listener);
        self.drain(stop).await;
    }

    /// Accepts connections until `end` resolves.
    async fn take_until<T>(&mut self, listener: &impl Accept, end: impl Future<Output = T>) -> T {
        let mut ticks = rounds(self.limits.between_rounds());
        let mut nudges = rounds(BETWEEN_NUDGES);
        let mut end = pin!(end);
        // Kept across iterations, so that its pause is not cut short.
        let mut coming = pin!(next(listener));
        loop {
            tokio::select! {
                end = &mut end => return end,
                // A panic has been logged where it happened.
                Some(_) = self.connections.join_next() => self.let_in(),
                now = ticks.tick() => self.look_after(now),
                now = nudges.tick(), if self.waiting.is_some() => self.attendance.give_way(now),
                (stream, address) = &mut coming, if self.waiting.is_none() => {
                    coming.set(next(listener));
                    self.take(stream, address);
                    nudges.reset();
                }
            }
        }
    }

    /// Accepts what is still in the kernel's queue, which would otherwise be lost with it.
    async fn take_rest(&mut self, listener: &impl Accept) {
        for _ in 0..MOST_QUEUED {
            if self.waiting.is_some() {
                return;
            }
            let mut accepting = pin!(listener.accept());
            match poll_fn(|context| Poll::Ready(accepting.as_mut().poll(context))).await {
                Poll::Ready(Ok((stream, address))) => self.take(stream, address),
                Poll::Ready(Err(error)) if gone_already(&error) => {}
                Poll::Ready(Err(_)) | Poll::Pending => return,
            }
        }
    }

    /// Accepts a connection, unless its address has too many.
    fn take(&mut self, stream: Stream, address: Option<IpAddr>) {
        let limit = |address| self.neighbourhood.limit(address, self.limits.connections);
        let counted = address.and_then(limit);
        let place = counted.and_then(|(neighbour, most)| self.places.take(neighbour, most));
        if counted.is_some() && place.is_none() {
            metrics::counter!("offpeak_connections_refused_total").increment(1);
            return;
        }
        if self.places.len() > 2 * self.limits.connections {
            self.places.tidy();
        }
        self.waiting = Some(Connected {
            stream,
            from: address,
            place,
        });
        self.let_in();
        if self.waiting.is_some() {
            self.attendance.give_way(Instant::now());
        }
    }

    /// Serves the waiting connection, if there is room.
    fn let_in(&mut self) {
        if self.connections.len() >= self.limits.connections {
            return;
        }
        if let Some(connected) = self.waiting.take() {
            let attended = ConnectionState::default();
            self.attendance.add(&attended, Instant::now());
            let (tls, app) = (self.tls.clone(), self.app.clone());
            let driving = drive::drive(connected, tls, app, attended, self.limits);
            self.connections.spawn(driving);
        }
    }

    fn look_after(&mut self, now: Instant) {
        self.attendance.look_after(now);
        self.places.tidy();
    }

    /// Finishes the requests in progress, including waiting connections and those about to arrive.
    async fn drain(&mut self, stop: Stop) {
        if stop == Stop::AtOnce {
            self.attendance.finish_all(Instant::now());
            self.waiting = None;
        }
        let mut ticks = rounds(self.limits.between_rounds().min(WHILE_DRAINING));
        let drained = timeout(self.limits.drain, async {
            while !self.connections.is_empty() || self.waiting.is_some() {
                tokio::select! {
                    Some(_) = self.connections.join_next() => {}
                    now = ticks.tick() => {
                        self.attendance.look_after(now);
                        self.attendance.finish_still(now);
                        if self.waiting.is_some() {
                            self.attendance.give_way(now);
                        }
                    }
                }
                self.let_in();
            }
        });
        if drained.await.is_err() {
            let connections_left = self.connections.len();
            tracing::warn!(
                event = "connections_cut_off",
                connections = connections_left
            );
            self.connections.shutdown().await;
        }
    }
}

fn rounds(period: Duration) -> Interval {
    let mut rounds = interval_at(Instant::now() + period, period);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rounds
}

/// The next connection. After a failure it waits, because resources become free when others close.
async fn next<A: Accept>(listener: &A) -> (Stream, Option<IpAddr>) {
    let mut warned = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if gone_already(&error) => {}
            Err(error) => {
                if !warned {
                    tracing::warn!(event = "accept_failed", %error);
                    warned = true;
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the error concerns one connection, which was closed before it was accepted.
fn gone_already(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::Router;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    /// Returns its errors one by one, then accepts.
    struct Failing {
        errors: Mutex<Vec<io::Error>>,
        listener: Listener,
    }

    impl Accept for Failing {
        async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
            let error = self.errors.lock().unwrap().pop();
            match error {
                Some(error) => Err(error),
                None => self.listener.accept().await,
            }
        }
    }

    #[tokio::test]
    async fn failures_to_accept_neither_stop_nor_spin() {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let url = listener.url().unwrap();
        // EMFILE, ENFILE, and one that concerns a single connection.
        let errors = Mutex::new(vec![
            io::Error::from_raw_os_error(24),
            io::Error::from_raw_os_error(23),
            io::ErrorKind::ConnectionAborted.into(),
        ]);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let started = Instant::now();
        let router = Router::new().route("/", axum::routing::get(|| async { "here" }));
        let server = Server::new(&listener, router.into(), Limits::PUBLIC);
        let shutdown = async move {
            let _ = stopped.await;
            Stop::AtOnce
        };
        let server = tokio::spawn(server.run(Failing { errors, listener }, shutdown));
        let mut client = TcpStream::connect(url.strip_prefix("http://").unwrap())
            .await
            .unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(started.elapsed() >= 2 * ACCEPT_PAUSE);
        stop.send(()).unwrap();
        server.await.unwrap();
    }
}

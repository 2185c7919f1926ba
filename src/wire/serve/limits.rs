//! What a listener allows.

use std::time::Duration;

/// What one listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at a time. Where one more comes, the one gives way that has been without a
    /// request for longest; where all have one, more wait in the kernel's queue.
    pub connections: usize,
    /// Requests under way at a time on one HTTP/2 connection.
    pub streams: u32,
    /// A request's head must arrive within this time, and before it TLS's handshake must be done.
    /// As the next two, an eighth of the shortest
    /// of them late at most.
    pub head: Duration,
    /// A connection without a request for this long takes no more.
    pub idle: Duration,
    /// How long a connection that takes no more requests may go on sending an answer.
    pub linger: Duration,
    /// How long new connections are taken once the server stops: until whoever sends them has seen
    /// that it does.
    pub grace: Duration,
    /// How long requests under way may take once no more connections are taken.
    pub drain: Duration,
}

impl Limits {
    /// For everybody. 8,192 connections of at most 2 × 64 KiB of buffers are 1 GiB at the very
    /// worst and some 100 MB in use, with TLS some 300 MB more; an answer takes well under a
    /// millisecond, so that is room for millions of requests a second. 30 s is what slow mobile
    /// networks need, and hyper's own default.
    pub const PUBLIC: Self = Self {
        connections: 8_192,
        streams: 100,
        head: Duration::from_secs(30),
        idle: Duration::from_secs(30),
        linger: Duration::from_secs(30),
        grace: Duration::from_secs(5),
        drain: Duration::from_secs(20),
    };

    /// For the CA's own machines: few connections, long bodies. Grace and drain of both listeners
    /// fit into the 30 s that orchestrators give before they kill.
    pub const ADMIN: Self = Self {
        connections: 256,
        ..Self::PUBLIC
    };

    /// How often all connections are looked after: an eighth of the shortest wait. With the limits
    /// above that is every four seconds, for 8,192 connections some 100 µs.
    pub(super) fn between_rounds(&self) -> Duration {
        let shortest = self.head.min(self.idle).min(self.linger);
        (shortest / 8).max(Duration::from_millis(1))
    }
}

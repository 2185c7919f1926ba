//! The limits of a listener.

use std::time::Duration;

/// The limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most open connections. If there is one more, the one that has been idle longest is
    /// closed. If all have a request, more wait in the kernel's queue.
    pub connections: usize,
    /// The most requests in progress on one HTTP/2 connection.
    pub streams: u32,
    /// The time limit for a request's head, and before it for the TLS handshake. This and the next
    /// two limits may be exceeded by an eighth of the shortest of them.
    pub head: Duration,
    /// A connection that is idle for this long accepts no more requests.
    pub idle: Duration,
    /// How long a connection that accepts no more requests may continue to send an answer.
    pub linger: Duration,
    /// How long new connections are accepted after the server begins to stop, so that load
    /// balancers can notice it.
    pub grace: Duration,
    /// How long requests in progress may take once no more connections are accepted.
    pub drain: Duration,
}

impl Limits {
    /// For the public. 8,192 connections with at most 2 × 64 KiB of buffers take 1 GiB in the worst
    /// case and about 100 MB in practice, with TLS about 300 MB more. An answer takes well under a
    /// millisecond, so this is enough for millions of requests a second. 30 s is what slow mobile
    /// networks need, and hyper's default.
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
    /// fit into the 30 s that orchestrators allow.
    pub const ADMIN: Self = Self {
        connections: 256,
        ..Self::PUBLIC
    };

    /// How often all connections are checked: an eighth of the shortest wait. With the limits
    /// above, every four seconds, taking about 100 µs for 8,192 connections.
    pub(super) fn between_rounds(&self) -> Duration {
        let shortest = self.head.min(self.idle).min(self.linger);
        (shortest / 8).max(Duration::from_millis(1))
    }
}

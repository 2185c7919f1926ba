//! Interim answers for clients that give up after a time of silence: they announce that the answer
//! is still to come (RFC 9110 section 15.2).

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, interval_at};

use super::attend::ConnectionState;

/// The interim answer that HTTP/1.1 clients skip, whether or not they know others.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Requests interim answers on the HTTP/1.1 connection of a request.
#[derive(Clone, Debug)]
pub(crate) struct Interim(ConnectionState);

impl Interim {
    pub(super) fn on(connection: &ConnectionState) -> Self {
        Self(connection.clone())
    }

    /// Waits for a future, and sends interim answers at regular intervals until it is ready. Await
    /// it in the request's own answer, because interim answers are sent when the connection is
    /// polled.
    pub(crate) async fn while_awaited<T>(
        &self,
        every: Duration,
        awaited: impl Future<Output = T>,
    ) -> T {
        let mut awaited = pin!(awaited);
        let mut ticks = interval_at(Instant::now() + every, every);
        loop {
            tokio::select! {
                biased;
                came = &mut awaited => return came,
                _ = ticks.tick() => {
                    self.0.wants_interim(true);
                }
            }
        }
    }
}

/// The part of an interim answer that is not sent yet.
#[derive(Debug, Default)]
pub(super) struct Rest(&'static [u8]);

impl Rest {
    /// Sends an interim answer if one is wanted. Nothing else is in the way: hyper has sent
    /// everything before it flushes, and a pending answer has no octets.
    pub(super) fn poll_send(
        &mut self,
        connection: &ConnectionState,
        stream: Pin<&mut (impl AsyncWrite + ?Sized)>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if connection.wants_interim(false) && self.0.is_empty() {
            self.0 = CONTINUE;
        }
        self.poll_rest(stream, context)
    }

    /// Called before an answer: completes a partly sent interim answer, and drops one that has not
    /// begun.
    pub(super) fn poll_end(
        &mut self,
        connection: &ConnectionState,
        stream: Pin<&mut (impl AsyncWrite + ?Sized)>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        connection.wants_interim(false);
        if self.0.len() == CONTINUE.len() {
            self.0 = &[];
        }
        self.poll_rest(stream, context)
    }

    fn poll_rest(
        &mut self,
        mut stream: Pin<&mut (impl AsyncWrite + ?Sized)>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.0.is_empty() {
            let sent = ready!(stream.as_mut().poll_write(context, self.0))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.0 = &self.0[sent..];
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts this many octets, and then none until there is room again.
    #[derive(Default)]
    struct Narrow {
        room: usize,
        sent: Vec<u8>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<io::Result<usize>> {
            let sent = self.room.min(octets.len());
            if sent == 0 {
                return Poll::Pending;
            }
            self.room -= sent;
            self.sent.extend(&octets[..sent]);
            Poll::Ready(Ok(sent))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn one_goes_out_whole_where_it_is_wanted_and_never_after_an_answer_has_begun() {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let connection = ConnectionState::default();
        let mut rest = Rest::default();
        let mut stream = Narrow::default();
        let sent = rest.poll_send(&connection, Pin::new(&mut stream), &mut context);
        assert!(sent.is_ready(), "nothing is wanted");
        connection.wants_interim(true);
        stream.room = 9;
        let sent = rest.poll_send(&connection, Pin::new(&mut stream), &mut context);
        assert!(sent.is_pending());
        assert_eq!(stream.sent, b"HTTP/1.1 ");

        // The answer comes in between: the partly sent interim answer is completed, and no other
        // begins.
        connection.wants_interim(true);
        stream.room = 99;
        let ended = rest.poll_end(&connection, Pin::new(&mut stream), &mut context);
        assert!(ended.is_ready());
        assert_eq!(stream.sent, CONTINUE);
        assert!(
            rest.poll_send(&connection, Pin::new(&mut stream), &mut context)
                .is_ready()
        );
        assert_eq!(stream.sent, CONTINUE);

        // An interim answer that has not begun is not sent before the answer.
        stream.room = 0;
        connection.wants_interim(true);
        assert!(
            rest.poll_send(&connection, Pin::new(&mut stream), &mut context)
                .is_pending()
        );
        stream.room = 99;
        assert!(
            rest.poll_end(&connection, Pin::new(&mut stream), &mut context)
                .is_ready()
        );
        assert_eq!(stream.sent, CONTINUE);
    }
}

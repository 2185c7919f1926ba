//! Drives one connection with hyper, and enforces the limits.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::{HeaderValue, Request, Response, Version, header};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::attend::{ConnectionState, Directive, UnderWay};
use super::interim::{Interim, Rest};
use super::limits::Limits;
use super::stream::{Connected, Stream};
use super::tls::Tls;
use crate::wire::app::{Answer, App};
use crate::wire::reply::Reply;

/// The longest head of an HTTP/1.1 request, in bytes. hyper itself answers a longer one with 431,
/// so this is far more than our URLs need.
const MOST_HEAD_BYTES: usize = 64 * 1_024;

/// The same for HTTP/2, for each stream: 100 × 16 KiB is 1.6 MB a connection.
const MOST_HEADER_LIST_BYTES: u32 = 16 * 1_024;

/// Serves one connection to its end.
pub(super) async fn drive(
    connected: Connected,
    tls: Option<Arc<Tls>>,
    app: App,
    attended: ConnectionState,
    limits: Limits,
) {
    // The place is occupied until the end of this function.
    let Connected {
        stream,
        from,
        place: _place,
    } = connected;
    let stream = match tls {
        None => stream,
        Some(tls) => match shake_hands(&tls, stream, &attended, limits).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(event = "handshake_failed", %error);
                return;
            }
        },
    };
    let stream = WatchedStream {
        stream,
        attended: attended.clone(),
        interim: Rest::default(),
    };
    let requests = Requests {
        app,
        attended: attended.clone(),
        from,
    };
    let connection = builder(limits)
        .serve_connection(TokioIo::new(stream), requests)
        .into_owned();
    let driven = Driven {
        connection: Box::pin(connection),
        attended,
        directive: Directive::GoOn,
    };
    if let Err(error) = driven.await {
        tracing::debug!(event = "connection_ended_early", error);
    }
}

/// The TLS handshake, unless it takes too long or the connection is asked to finish.
async fn shake_hands(
    tls: &Tls,
    stream: Stream,
    attended: &ConnectionState,
    limits: Limits,
) -> io::Result<Stream> {
    let directive = poll_fn(|context| match attended.directive(context) {
        Directive::GoOn | Directive::LastAnswer => Poll::Pending,
        Directive::Finish | Directive::End => Poll::Ready(()),
    });
    tokio::select! {
        () = directive => Err(io::ErrorKind::ConnectionAborted.into()),
        stream = timeout(limits.head, tls.accept(stream)) => stream?,
    }
}

fn builder(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Without hyper's timers, because it would create one for each request. Head and body share a
    // buffer, because copying short ones is cheaper than a list of buffers.
    builder.http1().max_buf_size(MOST_HEAD_BYTES).writev(false);
    builder
        .http2()
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(MOST_HEADER_LIST_BYTES);
    builder
}

type Connection = auto::Connection<'static, TokioIo<WatchedStream>, Requests, TokioExecutor>;

/// A connection that follows its orders.
struct Driven {
    connection: Pin<Box<Connection>>,
    attended: ConnectionState,
    directive: Directive,
}

impl Future for Driven {
    type Output = Result<(), Box<dyn std::error::Error + Send + Sync>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let directive = this.attended.directive(context);
        if directive > this.directive {
            this.directive = directive;
            match directive {
                Directive::End => return Poll::Ready(Ok(())),
                Directive::Finish => this.connection.as_mut().graceful_shutdown(),
                // HTTP/2 announces it by itself without losing requests. HTTP/1.1 would close a
                // connection on which a request may be arriving.
                Directive::LastAnswer if this.attended.is_multiplexed() => {
                    this.connection.as_mut().graceful_shutdown();
                }
                Directive::GoOn | Directive::LastAnswer => {}
            }
        }
        this.connection.as_mut().poll(context)
    }
}

/// Answers the requests of one connection.
struct Requests {
    app: App,
    attended: ConnectionState,
    from: Option<IpAddr>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let version = request.version();
        self.attended.begin(version);
        if self.app.may_hold() && version == Version::HTTP_11 {
            let interim = Interim::on(&self.attended);
            request.extensions_mut().insert(interim);
        }
        let answer = match self.app.answer(request, self.from) {
            Answer::Given(response) => Answering::Given(Some(response)),
            Answer::Awaited(answer) => Answering::Awaited(answer, self.attended.under_way()),
        };
        if self.attended.goes_on() || version >= Version::HTTP_2 {
            answer
        } else {
            Answering::Last(Box::pin(answer))
        }
    }
}

/// An answer that is ready or pending.
enum Answering {
    Given(Option<Response<Reply>>),
    Awaited(
        BoxFuture<'static, Response<Reply>>,
        #[expect(dead_code, reason = "it counts by being there")] UnderWay,
    ),
    /// The last answer of its connection, which says so.
    Last(Pin<Box<Self>>),
}

impl Future for Answering {
    type Output = Result<Response<Reply>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            // hyper does not poll an answer again after it was given.
            Self::Given(response) => response
                .take()
                .map_or(Poll::Pending, |given| Poll::Ready(Ok(given))),
            Self::Awaited(answer, _) => answer.as_mut().poll(context).map(Ok),
            Self::Last(answer) => answer.as_mut().poll(context).map_ok(|mut answer| {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
                answer
            }),
        }
    }
}

/// A stream that records incoming octets and sends interim answers.
struct WatchedStream {
    stream: Stream,
    attended: ConnectionState,
    interim: Rest,
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.attended.note_octets();
        }
        read
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut stream = Pin::new(&mut this.stream);
        ready!(
            this.interim
                .poll_end(&this.attended, stream.as_mut(), context)
        )?;
        stream.poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut stream = Pin::new(&mut this.stream);
        ready!(
            this.interim
                .poll_send(&this.attended, stream.as_mut(), context)
        )?;
        stream.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

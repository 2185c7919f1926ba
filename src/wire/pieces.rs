//! A body as a stream of pieces, with a time limit for each.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;

/// The longest wait for the next piece of a body. A live client sends within seconds; a dead one
/// must not hold a connection forever.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Streams the pieces of a body as they arrive.
pub(crate) fn pieces(body: Body) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
    let pieces = body.into_data_stream();
    Box::pin(futures_util::stream::unfold(pieces, |mut pieces| async {
        let piece = match timeout(LONGEST_PAUSE, pieces.next()).await {
            Ok(piece) => piece?.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        Some((piece, pieces))
    }))
}

//! Reading whole bodies, with a size limit.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use tokio::time::timeout;

/// The largest request read, in octets. An order with 100 names of 253 octets, in base64url in an
/// envelope, takes 40 kB; a CSR with a post-quantum key as much again.
pub(super) const MOST_REQUEST_OCTETS: usize = 256 << 10;

/// The largest answer read, in octets: a chain of four certificates with a thousand names and
/// post-quantum signatures each.
pub(super) const MOST_ANSWER_OCTETS: usize = 1 << 20;

/// The longest wait for the next piece of a body.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// The result of reading a body.
pub(super) enum Read {
    /// The whole body.
    Whole(Bytes),
    /// It exceeds the limit: what was read, followed by the rest.
    Longer(Body),
    /// It was cut off or stalled.
    Broken,
}

/// Reads a whole body if it has at most `most` octets.
pub(super) async fn read<B>(body: B, most: usize) -> Read
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = body;
    let mut whole = BytesMut::new();
    loop {
        match timeout(STALLED_AFTER, body.frame()).await {
            Ok(None) => return Read::Whole(whole.freeze()),
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                whole.extend_from_slice(&data);
                if whole.len() > most {
                    return Read::Longer(behind(whole.freeze(), body));
                }
            }
            Ok(Some(Err(_))) | Err(_) => return Read::Broken,
        }
    }
}

/// Streams an answer's body.
pub(super) fn streamed(body: Incoming) -> Body {
    if body.is_end_stream() {
        Body::empty()
    } else {
        Body::new(body)
    }
}

fn behind<B>(first: Bytes, rest: B) -> Body
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    use futures_util::StreamExt as _;
    use futures_util::stream::{once, unfold};

    let first = once(async move { Ok::<_, B::Error>(Frame::data(first)) });
    let rest = unfold(rest, |mut rest| async move {
        rest.frame().await.map(|frame| (frame, rest))
    });
    Body::new(StreamBody::new(first.chain(rest).boxed()))
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn a_body_is_read_whole_or_goes_on_whole() {
        let body = || Full::new(Bytes::from_static(b"0123456789"));
        let Read::Whole(whole) = read(body(), 10).await else {
            panic!("it fits");
        };
        assert_eq!(&whole[..], b"0123456789");
        let Read::Longer(longer) = read(body(), 9).await else {
            panic!("it does not fit");
        };
        let collected = longer.collect().await.unwrap().to_bytes();
        assert_eq!(&collected[..], b"0123456789");
    }
}

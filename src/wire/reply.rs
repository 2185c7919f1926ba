//! The body types of answers.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{Either, Full};

/// The body of an answer: one piece already in memory, or a handler's stream.
pub(crate) type Reply = Either<Full<Bytes>, Body>;

//! The kinds of bodies of an answer.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{Either, Full};

/// The body of an answer: one piece that is there, or what a handler makes.
pub(crate) type Reply = Either<Full<Bytes>, Body>;

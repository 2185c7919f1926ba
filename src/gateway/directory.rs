//! Fetches a server's directory.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;

use super::body::{MOST_ANSWER_OCTETS, Read, read};
use super::upstream::{NoAnswer, Upstream};
use crate::domain::acme::{Directory, Object};

/// Why there is no directory.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoDirectory {
    /// The answer's body is incomplete or too long.
    #[error("its answer broke off or is too long")]
    BrokenOff,
    /// There was no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The answer is not a directory.
    #[error("it answered {0}, and no ACME directory")]
    Other(StatusCode),
}

impl Upstream {
    /// Fetches the directory with this host name.
    pub(super) async fn ask_directory(&self, host: &HeaderValue) -> Result<Directory, NoDirectory> {
        let response = self.ask(Method::GET, self.directory(), host).await?;
        let (parts, body) = response.into_parts();
        let Read::Whole(octets) = read(body, MOST_ANSWER_OCTETS).await else {
            return Err(NoDirectory::BrokenOff);
        };
        match Object::of(&octets) {
            Object::Directory(found) if parts.status.is_success() => Ok(found),
            _ => Err(NoDirectory::Other(parts.status)),
        }
    }

    /// Whether a path returns a nonce when requested with this host name, as clients do.
    pub(super) async fn gives_nonce(
        &self,
        path: &str,
        host: &HeaderValue,
    ) -> Result<bool, NoAnswer> {
        let response = self.ask(Method::HEAD, path, host).await?;
        Ok(response.headers().contains_key("replay-nonce"))
    }

    /// Requests a path for our own use, with this host name.
    async fn ask(
        &self,
        method: Method,
        path_and_query: &str,
        host: &HeaderValue,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.clone());
        self.send(method, path_and_query, headers, Body::empty())
            .await
    }
}

//! The ACME server behind the gateway: a pool of connections to one origin and to nothing else.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::uri::{self, Authority, PathAndQuery, Scheme};
use axum::http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::config::GatewayConfig;

/// The longest time to establish a connection. Within a data centre it takes milliseconds; a lost
/// packet costs a second.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);

/// How long an idle connection is kept: less than the idle time-outs of common servers (none in Go
/// by default, 75 s in nginx; Apache's 5 s are handled by a second try).
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Idle connections kept: as many parallel requests as a large CA handles.
const MOST_IDLE: usize = 256;

/// An origin, and how to connect to it.
#[derive(Debug)]
pub(super) struct Upstream {
    scheme: Scheme,
    /// Its host and port.
    authority: Authority,
    /// The path and query of its directory.
    directory: String,
    client: Client<HttpsConnector<HttpConnector>, Body>,
    answered_within: Duration,
}

/// Why an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A file with certificates or a key cannot be read.
    #[error("{} cannot be used for the upstream: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The upstream is the gateway itself, so requests would be forwarded forever.
    #[error("the upstream {url} is this gateway itself: it has to be the CA's own address")]
    Itself {
        /// The URL.
        url: String,
    },
    /// A file does not contain the expected PEM.
    #[error("{} holds no {what}: {source}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// The expected content.
        what: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// TLS cannot be set up with these files.
    #[error("TLS to the upstream cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The URL is invalid.
    #[error("{url:?} is no URL of a directory")]
    Url {
        /// The URL.
        url: String,
    },
}

/// Why there is no answer from the upstream.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// There is no connection, so it has not seen the request.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke before the answer's headers arrived.
    #[error("it broke off: {0}")]
    BrokenOff(String),
    /// It did not answer in time.
    #[error("it did not answer within {0:?}")]
    Late(Duration),
}

impl NoAnswer {
    /// Whether the upstream may have seen the request and used up its nonce.
    pub(super) const fn may_have_been_seen(&self) -> bool {
        !matches!(self, Self::Unreachable(_))
    }
}

impl Upstream {
    /// Opens the upstream as configured; it connects when first needed.
    pub(super) fn open(config: &GatewayConfig) -> Result<Self, UpstreamError> {
        let wrong = || UpstreamError::Url {
            url: config.upstream.clone(),
        };
        let url: Uri = config.upstream.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (url.scheme(), url.authority()) else {
            return Err(wrong());
        };
        if is_listener(authority, &config.listen) {
            return Err(UpstreamError::Itself {
                url: config.upstream.clone(),
            });
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECTED_WITHIN));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(config)?)
            .https_or_http()
            // The client's host name is forwarded in `Host`. HTTP/2 would replace it with the URL's
            // host, which is the upstream's own.
            .enable_http1()
            .wrap_connector(connector);
        let seconds = u64::try_from(config.upstream_timeout_seconds).unwrap_or(1);
        Ok(Self {
            scheme: scheme.clone(),
            authority: authority.clone(),
            directory: url
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(KEPT_FOR)
                .pool_max_idle_per_host(MOST_IDLE)
                .build(connector),
            answered_within: Duration::from_secs(seconds),
        })
    }

    /// The path and query of its directory.
    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// Sends a request for this path and query, and waits for the headers of the answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(path_and_query);
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        match timeout(self.answered_within, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(NoAnswer::Unreachable(causes(&error))),
            Ok(Err(error)) => Err(NoAnswer::BrokenOff(causes(&error))),
            Err(_) => Err(NoAnswer::Late(self.answered_within)),
        }
    }

    /// A URL of this origin with any path and query.
    fn uri(&self, path_and_query: &str) -> Uri {
        // The path came from a URL; if it is invalid, use the origin's root.
        let path = PathAndQuery::try_from(path_and_query)
            .ok()
            .filter(|path| path.as_str().starts_with('/'))
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).unwrap_or_default()
    }
}

/// Whether this local address is where the gateway listens.
fn is_listener(authority: &Authority, listen: &str) -> bool {
    let named = authority.as_str().replace("localhost:", "127.0.0.1:");
    let (Ok(named), Ok(listen)) = (named.parse::<SocketAddr>(), listen.parse::<SocketAddr>())
    else {
        return false;
    };
    let everywhere = listen.ip().is_unspecified() && named.ip().is_loopback();
    // Port 0 means any free port.
    named.port() == listen.port() && listen.port() != 0 && (named.ip() == listen.ip() || everywhere)
}

/// Messages of rustls about a server's certificate or answer, and what to do about them.
const REMEDIES: [(&str, &str); 3] = [
    (
        "CaUsedAsEndEntity",
        "its certificate says that it is a CA's, as `openssl req -x509` makes one: a server's needs \
         `basicConstraints=CA:FALSE`",
    ),
    (
        "UnknownIssuer",
        "its certificate goes back to no root that is trusted here: name the file of its root",
    ),
    (
        "InvalidContentType",
        "it speaks no TLS there: the URL of one that speaks HTTP begins with http://",
    ),
];

/// An error with all its causes, because hyper's own message says only where it happened.
fn causes(error: &Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut messages: Vec<String> = Vec::new();
    while let Some(error) = cause {
        messages.push(error.to_string());
        cause = error.source();
    }
    with_remedy(messages.join(": "))
}

fn with_remedy(message: String) -> String {
    let remedy = REMEDIES.iter().find(|(words, _)| message.contains(words));
    match remedy {
        Some((_, remedy)) => format!("{remedy} ({message})"),
        None => message,
    }
}

fn client_config(config: &GatewayConfig) -> Result<ClientConfig, UpstreamError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = match &config.upstream_roots {
        None => builder.with_platform_verifier()?,
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate)?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let Some(files) = &config.upstream_tls else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(&files.certificate)?;
    let key =
        PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|source| UpstreamError::Pem {
            file: files.key.clone(),
            what: "private key",
            source,
        })?;
    Ok(builder.with_client_auth_cert(chain, key)?)
}

fn certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, UpstreamError> {
    let wrong = |source| UpstreamError::Pem {
        file: file.clone(),
        what: "certificate",
        source,
    };
    let octets = read(file)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&octets)
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    if found.is_empty() {
        return Err(wrong(pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn read(file: &PathBuf) -> Result<Vec<u8>, UpstreamError> {
    fs::read(file).map_err(|source| UpstreamError::File {
        file: file.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_not_its_own_upstream() {
        for (upstream, listen, itself) in [
            ("https://127.0.0.1:8443/directory", "127.0.0.1:8443", true),
            ("https://localhost:8443/directory", "0.0.0.0:8443", true),
            ("http://[::1]:8443/directory", "[::]:8443", true),
            ("https://127.0.0.1:9000/directory", "127.0.0.1:8443", false),
            ("https://192.0.2.7:8443/directory", "127.0.0.1:8443", false),
            ("https://ca.internal:8443/directory", "0.0.0.0:8443", false),
            ("http://127.0.0.1:80/directory", "127.0.0.1:0", false),
        ] {
            let opened = Upstream::open(&GatewayConfig::to(upstream, listen));
            let refused = matches!(opened, Err(UpstreamError::Itself { .. }));
            assert_eq!(refused, itself, "{upstream} {listen}: {opened:?}");
        }
    }

    #[test]
    fn a_tls_error_is_reported_with_a_remedy() {
        let message = with_remedy("invalid peer certificate: UnknownIssuer".to_owned());
        assert!(message.contains("the file of its root"), "{message}");
        assert!(
            message.ends_with("(invalid peer certificate: UnknownIssuer)"),
            "{message}"
        );
        assert_eq!(with_remedy("refused".to_owned()), "refused");
    }
}

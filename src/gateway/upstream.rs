//! The ACME server behind us: a pool of kept connections to one origin and nothing else.

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

/// How long a connection may take to be made: within a data centre it takes milliseconds, and one lost
/// packet costs a second.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection is kept that nobody uses: below the idle time-outs of the servers that are
/// common (Go's default is none, nginx's 75 s, Apache's 5 s and caught by a second try).
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Idle connections kept: as many requests at once as a large CA bears.
const MOST_IDLE: usize = 256;

/// An origin, and how it is reached.
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

/// Why an upstream cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A file of certificates or of a key cannot be read.
    #[error("{} cannot be used for the upstream: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is the gateway: each request would be handed on for ever.
    #[error("the upstream {url} is this gateway itself: it has to be the CA's own address")]
    Itself {
        /// The URL.
        url: String,
    },
    /// What is in a file is no PEM of what it should hold.
    #[error("{} holds no {what}: {source}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// TLS cannot be set up so.
    #[error("TLS to the upstream cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The URL is none.
    #[error("{url:?} is no URL of a directory")]
    Url {
        /// The URL.
        url: String,
    },
}

/// Why there is no answer of the upstream's.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// No connection: it has not seen the request.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke before the answer's head was there.
    #[error("it broke off: {0}")]
    BrokenOff(String),
    /// It did not answer in time.
    #[error("it did not answer within {0:?}")]
    Late(Duration),
}

impl NoAnswer {
    /// Whether the upstream may have seen the request, and taken its nonce.
    pub(super) const fn may_have_been_seen(&self) -> bool {
        !matches!(self, Self::Unreachable(_))
    }
}

impl Upstream {
    /// As configured; connects when it is first needed.
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
            // The host that the client named goes on in `Host`. HTTP/2 would take the host of the
            // URL for it, which is the upstream's own.
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

    /// Sends a request for this path and query; waits for the head of the answer.
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

    /// A URL of this origin, whatever the path and query are.
    fn uri(&self, path_and_query: &str) -> Uri {
        // It came in a URL; what cannot be one is the origin's own page.
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

/// Whether an address of this machine is where the gateway listens.
fn is_listener(authority: &Authority, listen: &str) -> bool {
    let named = authority.as_str().replace("localhost:", "127.0.0.1:");
    let (Ok(named), Ok(listen)) = (named.parse::<SocketAddr>(), listen.parse::<SocketAddr>())
    else {
        return false;
    };
    let everywhere = listen.ip().is_unspecified() && named.ip().is_loopback();
    // Port 0 is any that is free.
    named.port() == listen.port() && listen.port() != 0 && (named.ip() == listen.ip() || everywhere)
}

/// What rustls says of a server's certificate or answer, and what is to be done about it.
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

/// What went wrong, down to its cause: hyper's own words say no more than where.
fn causes(error: &Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut told: Vec<String> = Vec::new();
    while let Some(error) = cause {
        told.push(error.to_string());
        cause = error.source();
    }
    with_remedy(told.join(": "))
}

fn with_remedy(told: String) -> String {
    let remedy = REMEDIES.iter().find(|(words, _)| told.contains(words));
    match remedy {
        Some((_, remedy)) => format!("{remedy} ({told})"),
        None => told,
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
    fn what_rustls_says_is_told_with_what_helps() {
        let told = with_remedy("invalid peer certificate: UnknownIssuer".to_owned());
        assert!(told.contains("the file of its root"), "{told}");
        assert!(
            told.ends_with("(invalid peer certificate: UnknownIssuer)"),
            "{told}"
        );
        assert_eq!(with_remedy("refused".to_owned()), "refused");
    }
}

//! TLS with rustls and aws-lc-rs: HTTP/2 and HTTP/1.1 by ALPN, and a certificate that can be
//! renewed while connections are open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use super::stream::Stream;

/// How often the files are checked. A renewed certificate is used within ten seconds, while the old
/// one is valid for days.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);

/// Why a certificate is rejected.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file contains no PEM certificate, or cannot be read.
    #[error("{} holds no certificate chain: {source}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: pem::Error,
    },
    /// The file contains no PEM private key, or cannot be read.
    #[error("{} holds no private key: {source}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: pem::Error,
    },
    /// Both can be read but do not match, or cannot be used.
    #[error("{} does not go with {}: {source}", key.display(), certificate.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
    /// The library supports no TLS version.
    #[error("TLS cannot be offered: {0}")]
    Library(rustls::Error),
}

/// The TLS settings of a listener.
#[derive(Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    provider: Arc<CryptoProvider>,
    files: ArcSwap<Files>,
    /// The state of the files when they were last tried.
    seen: ArcSwapOption<[Option<Seen>; 2]>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// A file's modification time and length.
type Seen = (SystemTime, u64);

/// The certificate in use.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// With the certificate chain and the private key in these PEM files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        let seen = files.seen();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let current = Arc::new(Current(ArcSwap::new(Arc::new(files.read(&provider)?))));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Library)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            current,
            provider,
            files: ArcSwap::from_pointee(files),
            seen: ArcSwapOption::from_pointee(seen),
        })
    }

    /// Uses the certificate in these files from the next handshake on.
    ///
    /// # Errors
    /// [`TlsError`]: the present certificate stays in use, and these files are watched from now on.
    pub fn renew(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        self.seen.store(Some(Arc::new(files.seen())));
        let read = files.read(&self.provider);
        self.files.store(Arc::new(files));
        self.current.0.store(Arc::new(read?));
        Ok(())
    }

    /// Renews the certificate whenever its files change; does not return. If a new one cannot be
    /// used, that is logged, and the present one stays in use.
    pub async fn follow(&self) {
        loop {
            sleep(LOOKED_AT_EVERY).await;
            self.look();
        }
    }

    /// Renews the certificate if its files have changed.
    pub fn look(&self) {
        let files = self.files.load_full();
        if self.seen.load().as_deref() == Some(&files.seen()) {
            return;
        }
        match self.renew(&files.certificate, &files.key) {
            Ok(()) => tracing::info!(event = "certificate_renewed"),
            Err(error) => tracing::error!(event = "certificate_refused", %error),
        }
    }

    /// Performs the handshake.
    pub(super) async fn accept(&self, stream: Stream) -> io::Result<Stream> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let stream = acceptor.accept(stream).await?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

impl Files {
    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let wrong = |source| TlsError::Certificate {
            file: self.certificate.clone(),
            source,
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(wrong)?;
        if chain.is_empty() {
            return Err(wrong(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|source| TlsError::Key {
            file: self.key.clone(),
            source,
        })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|source| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }

    fn seen(&self) -> [Option<Seen>; 2] {
        [&self.certificate, &self.key].map(|file| {
            let found = fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len()))
        })
    }
}

//! ACME (RFC 8555) as one sees it who stands between a client and a server: what a request asks
//! for, what an answer is, told by structure and never by a guessed path.

/// The 503 in the words of Let's Encrypt: busy, which is nobody's fault and no limit of an account.
pub const BUSY: &str =
    r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Service busy; retry later."}"#;

/// What a request is about (RFC 8555 section 7.1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Endpoint {
    /// An account's own URL.
    Account,
    /// An authorization.
    Authorization,
    /// A certificate chain.
    Certificate,
    /// A challenge.
    Challenge,
    /// The directory.
    Directory,
    /// Finalizing an order.
    Finalize,
    /// Changing an account's key.
    KeyChange,
    /// Making an account.
    NewAccount,
    /// A fresh nonce.
    NewNonce,
    /// A new order.
    NewOrder,
    /// An order.
    Order,
    /// None of these, or not known yet.
    Other,
    /// Revoking a certificate.
    RevokeCert,
}

impl Endpoint {
    /// Its name in observations, metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Authorization => "authorization",
            Self::Certificate => "certificate",
            Self::Challenge => "challenge",
            Self::Directory => "directory",
            Self::Finalize => "finalize",
            Self::KeyChange => "key-change",
            Self::NewAccount => "new-account",
            Self::NewNonce => "new-nonce",
            Self::NewOrder => "new-order",
            Self::Order => "order",
            Self::Other => "other",
            Self::RevokeCert => "revoke-cert",
        }
    }
}

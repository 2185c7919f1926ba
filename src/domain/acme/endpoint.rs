//! The endpoint of a request.

/// The endpoint of a request (RFC 8555 section 7.1).
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
    /// Another endpoint, or not known yet.
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

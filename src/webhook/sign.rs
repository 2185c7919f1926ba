//! Signatures of Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body.

use std::path::Path;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The prefix of a secret.
const PREFIX: &str = "whsec_";
/// Its length in octets, by the specification.
const OCTETS: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret for signing a webhook's messages.
#[derive(Debug)]
pub struct Secret(Key);

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("its secret cannot be read: {0}")]
    File(#[from] std::io::Error),
    /// The text is not a valid secret.
    #[error("its secret is not \"{PREFIX}\" and the base64 of 24 to 64 octets")]
    Format,
}

impl Secret {
    /// Reads the secret in a file.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn read(file: &Path) -> Result<Self, SecretError> {
        Self::parse(tokio::fs::read_to_string(file).await?.trim())
    }

    /// Parses a secret.
    ///
    /// # Errors
    /// [`SecretError::Format`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let base64 = text.strip_prefix(PREFIX).ok_or(SecretError::Format)?;
        let octets = STANDARD.decode(base64).map_err(|_| SecretError::Format)?;
        if !OCTETS.contains(&octets.len()) {
            return Err(SecretError::Format);
        }
        Ok(Self(Key::new(HMAC_SHA256, &octets)))
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, unix: i64, body: &str) -> String {
        let signed = hmac::sign(&self.0, format!("{id}.{unix}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(signed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_signed_as_there() {
        // https://github.com/standard-webhooks/standard-webhooks, spec, "Signature scheme".
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = secret.sign(id, 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_?",
        ] {
            assert!(Secret::parse(text).is_err(), "{text}");
        }
    }
}

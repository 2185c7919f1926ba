//! A certificate authority of the tests' own.

use std::time::Duration;

use offpeak::engine::clock::{Clock as _, SystemClock};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber,
    date_time_ymd,
};

const DAY_SECONDS: u64 = 86_400;

/// An issuer with a key of its own.
#[derive(Debug)]
pub(crate) struct TestCa {
    /// Its own certificate.
    pub(crate) certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl TestCa {
    /// A new one.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        // Not the name that rcgen gives to all: a certificate with its issuer's name looks self-signed.
        params
            .distinguished_name
            .push(DnType::CommonName, "offpeak test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a CA certificate");
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for `name`, issued now for 90 days, and its key.
    pub(crate) fn issue(&self, name: &str, serial: &[u8]) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let now = u64::try_from(SystemClock.now().unix()).expect("it is after 1970");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a DNS name");
        params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(now);
        params.not_after = params.not_before + Duration::from_secs(90 * DAY_SECONDS - 1);
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }
}

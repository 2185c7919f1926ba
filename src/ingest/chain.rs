//! A certificate as delivered by an ACME server: the first of a chain (RFC 8555 section 7.4.2).

use super::pem::{self, Wanted};
use super::x509::Facts;
use crate::domain::certificate::Validity;
use crate::domain::certificate::certid::CertId;
use crate::engine::verdict::Rejection;

/// The facts in an issued certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issued {
    /// Its CertID.
    pub id: CertId,
    /// Its dates.
    pub validity: Validity,
    /// Its names.
    pub names: Vec<String>,
}

/// The first certificate of a PEM chain.
///
/// # Errors
/// There is none, or it has no CertID or no dates.
pub fn first_of_chain(chain: &[u8]) -> Result<Issued, Rejection> {
    let mut decoder = pem::pem(Wanted::First);
    let mut found = Vec::new();
    decoder.push(chain, &mut found);
    decoder.finish(&mut found);
    let first = found
        .into_iter()
        .next()
        .ok_or_else(|| Rejection::new("record", "there is no certificate"))?;
    only_certificate(&first.record?.der)
}

/// The certificate in `der`.
///
/// # Errors
/// It is not exactly one certificate, or has no CertID or no dates.
pub fn only_certificate(der: &[u8]) -> Result<Issued, Rejection> {
    let facts = Facts::of(der)?;
    Ok(Issued {
        id: facts.id?,
        validity: facts.validity?,
        names: facts.names,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

    use super::*;

    #[test]
    fn the_first_of_a_chain_is_the_one_that_was_issued() {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let issuer = Issuer::new(ca, ca_key);
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        for address in ["192.0.2.1", "2001:db8::1"] {
            let address = SanType::IpAddress(address.parse().unwrap());
            params.subject_alt_names.push(address);
        }
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let chain = format!("{}{ca_pem}", leaf.pem());
        let first = first_of_chain(chain.as_bytes()).unwrap();
        assert_eq!(first.names, ["a.example", "192.0.2.1", "2001:db8::1"]);
        assert_eq!(first, only_certificate(leaf.der()).unwrap());
        // A CA's own certificate has no authority key identifier here.
        assert!(first_of_chain(ca_pem.as_bytes()).is_err());
        assert!(first_of_chain(b"").is_err());
    }
}

//! Certificates: registering, reading and removing them.

use async_trait::async_trait;

use super::batch::ImportProgress;
use super::both::{Select, for_both_stores};
use super::error::StoreError;
use super::range::{BEFORE, IdRange, cuts};
use super::row::{StoredCertificate, cert_id, certificate_columns};
use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::{Certificate, Successor};
use crate::domain::demand::observation::Observation;
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;

/// What is registered in one transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registration<'a> {
    /// The tables that the certificates name, with their bytes. Tables that are stored already are left
    /// as they are.
    pub tables: &'a [StoredTable],
    /// The certificates.
    pub certificates: &'a [Certificate],
    /// Observations that are counted in the same transaction, from certificates that have expired
    /// already.
    pub observations: &'a [Observation],
    /// Certificates that are replaced by these, with their successors. A certificate that is not
    /// stored, or has a successor already, stays as it is.
    pub successions: &'a [(CertId, Successor)],
    /// The progress of the imported file after this step.
    pub progress: Option<&'a ImportProgress>,
}

/// The result for one certificate of a [`Registration`].
#[derive(Clone, Debug, PartialEq)]
pub enum Registered {
    /// It was registered before: this is the stored row, with its window.
    Existing(Box<Certificate>),
    /// It is new.
    Inserted,
}

/// Registering and removing certificates.
#[async_trait]
pub trait RegisterStore {
    /// Stores new certificates together with tables, observations and progress, all or nothing. Returns
    /// one outcome per certificate, in order. If a registration has the same CertID twice, the second
    /// one is `Existing`.
    async fn register(&self, registration: Registration<'_>)
    -> Result<Vec<Registered>, StoreError>;

    /// Removes certificates, and the observations that they stand for. Returns how many were stored.
    async fn remove(&self, ids: &[CertId]) -> Result<u64, StoreError>;

    /// Removes up to `limit` certificates whose `notAfter` is before `before`. Their issuance is kept
    /// as observations of the source `registrations`, under the CA that `ca_of` returns. Returns how
    /// many were removed. The change feed does not contain these removals: its readers have counted the
    /// certificates already, and drop expired ones themselves.
    async fn purge_expired(
        &self,
        before: Timestamp,
        limit: u32,
        ca_of: &(dyn for<'a> Fn(&'a KeyIdentifier) -> CaName + Send + Sync),
    ) -> Result<u64, StoreError>;
}

/// Reading certificates.
#[async_trait]
pub trait CertificateStore {
    /// The certificate with exactly this CertID.
    async fn certificate(&self, id: &CertId) -> Result<Option<Certificate>, StoreError>;

    /// Those of these certificates that are stored, in any order.
    async fn certificates(&self, ids: &[CertId]) -> Result<Vec<Certificate>, StoreError>;

    /// The first `limit` certificates of a range, in the order of key identifier and serial.
    async fn certificates_in(
        &self,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError>;
}

/// Dividing all certificates into ranges.
#[async_trait]
pub trait CutStore {
    /// CertIDs, in order, that divide all certificates into ranges of about the same size, about
    /// `parts` for each issuer. They may be CertIDs of no certificate.
    async fn cuts(&self, parts: u32) -> Result<Vec<CertId>, StoreError>;
}

/// The query for the certificate with a CertID.
pub(super) const CERTIFICATE: &str = concat!(
    "SELECT ",
    certificate_columns!(),
    " FROM certificates WHERE key_identifier = $1 AND serial = $2"
);

/// The most issuers whose certificates are divided; CAs have tens of issuers. All certificates after
/// them are one range.
const MOST_ISSUERS: usize = 1_000;

for_both_stores! {
    #[async_trait]
    impl CutStore for ThisStore {
        async fn cuts(&self, parts: u32) -> Result<Vec<CertId>, StoreError> {
            let mut all = Vec::new();
            let mut issuer = BEFORE.to_vec();
            for _ in 0..MOST_ISSUERS {
                let Some((next, first, last)) = self.serials_after(&issuer).await? else {
                    break;
                };
                let at = |serial| cert_id("certificate_issuer", (next.clone(), serial));
                let (first, last) = (at(first)?, at(last)?);
                all.extend(cuts(&first.key_identifier, &first.serial, &last.serial, parts));
                issuer = next;
            }
            Ok(all)
        }
    }

    impl ThisStore {
        /// The first certificates of a range.
        pub(in crate::store) async fn first_in(
            &self,
            range: &IdRange,
            limit: u32,
        ) -> Result<Vec<Certificate>, StoreError> {
            let ((from_issuer, from), (to_issuer, to)) = (range.lower(), range.upper());
            let select = sqlx::query_as(concat!(
                "SELECT ",
                certificate_columns!(),
                " FROM certificates WHERE (key_identifier, serial) > ($1, $2)
                     AND (key_identifier, serial) <= ($3, $4)
                 ORDER BY key_identifier, serial LIMIT $5"
            ))
            .bind(from_issuer)
            .bind(from)
            .bind(to_issuer)
            .bind(to)
            .bind(i64::from(limit));
            self.found("certificate_page", select).await
        }

        /// The certificates that a query returns.
        pub(in crate::store) async fn found(
            &self,
            name: &'static str,
            select: Select<'_, Self, StoredCertificate>,
        ) -> Result<Vec<Certificate>, StoreError> {
            let rows = self.rows(name, select).await?;
            Ok(rows.into_iter().map(|row| row.0).collect())
        }
    }
}

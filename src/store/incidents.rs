//! Incidents, and the certificates that they affect.

use async_trait::async_trait;

use super::error::StoreError;
use super::range::IdRange;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::moves::incident::Incident;
use crate::domain::time::Timestamp;

/// Incidents.
#[async_trait]
pub trait IncidentStore {
    /// Stores a new incident; returns its number.
    async fn create_incident(&self, incident: &Incident) -> Result<i64, StoreError>;

    /// Stores the changes of an incident, unless it was changed since `seen_at`, its `updated_at` when
    /// it was read. Returns whether it was stored. It is not stored either if the new `updated_at` is
    /// not later than `seen_at`: two writers that read the same state within one second could not be
    /// distinguished. [`Incident::touch`] makes sure that it is later.
    async fn update_incident(
        &self,
        incident: &Incident,
        seen_at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// All incidents, the newest first.
    async fn incidents(&self) -> Result<Vec<Incident>, StoreError>;

    /// Adds certificates, registered or not, to those that an incident affects. Returns how many were
    /// new.
    async fn add_incident_certificates(
        &self,
        incident: i64,
        ids: &[CertId],
    ) -> Result<u64, StoreError>;

    /// The first `limit` registered certificates of a range that an incident affects, in the order of
    /// key identifier and serial.
    async fn incident_certificates_in(
        &self,
        incident: i64,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError>;
}

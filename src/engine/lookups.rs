//! Misses that fall through to a shared store: remembered for a second, one at a time for each
//! CertID, and not too many at once, so that a flood of random CertIDs cannot hurt.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::index::Fingerprint;
use crate::domain::certid::CertId;
use crate::domain::certificate::Certificate;
use crate::store::{Store, StoreError};

/// "Not found" is believed for this long.
const BELIEVED: Duration = Duration::from_secs(1);

/// CertIDs remembered as not found: at 100,000 new ones a second, one second's worth; each costs
/// about 100 bytes.
const MOST_REMEMBERED: u64 = 100_000;

/// Look-ups at once: the pool has ten connections, and registrations need some of them.
const MOST_AT_ONCE: usize = 4;

/// Asks the store for what the index does not know.
#[derive(Debug)]
pub(super) struct LookUps {
    absent: Cache<Fingerprint, ()>,
    places: Semaphore,
}

/// Why a look-up did not end in "not found".
#[derive(Clone, Debug)]
pub(super) enum LookUp {
    /// The store is away, or too many look-ups are under way.
    Busy,
    /// It is there.
    Found(Arc<Certificate>),
}

impl LookUps {
    pub(super) fn new() -> Self {
        Self {
            absent: Cache::builder()
                .max_capacity(MOST_REMEMBERED)
                .time_to_live(BELIEVED)
                .build(),
            places: Semaphore::new(MOST_AT_ONCE),
        }
    }

    /// A place among the look-ups under way; `None` where all are taken.
    pub(super) fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// `Ok` where the store does not hold the certificate.
    pub(super) async fn absent(
        &self,
        store: &dyn Store,
        fingerprint: Fingerprint,
        id: &CertId,
    ) -> Result<(), LookUp> {
        let ask = async {
            let Some(_place) = self.place() else {
                return Err(LookUp::Busy);
            };
            match store.certificate(id).await {
                Ok(None) => Ok(()),
                Ok(Some(certificate)) => Err(LookUp::Found(Arc::new(certificate))),
                Err(error) => {
                    log(&error);
                    Err(LookUp::Busy)
                }
            }
        };
        self.absent
            .try_get_with(fingerprint, ask)
            .await
            .map_err(|outcome| (*outcome).clone())
    }
}

fn log(error: &StoreError) {
    tracing::warn!(event = "look_up_failed", %error);
}

//! What was learned of the CAs' clients, kept across restarts.

use async_trait::async_trait;

use super::both::for_both_stores;
use super::error::StoreError;
use super::row::misfit;
use crate::domain::policy::ca::{CaName, CaNameError};
use crate::domain::time::Timestamp;

/// Something learned of a CA's clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Learned {
    /// At which CA.
    pub ca: CaName,
    /// What it is, such as `returns`.
    pub name: String,
    /// The lesson, as JSON.
    pub body: String,
}

/// What was learned.
#[async_trait]
pub trait LearnedStore {
    /// Everything learned, by CA and name.
    async fn learned(&self) -> Result<Vec<Learned>, StoreError>;

    /// Keeps what was learned, replacing what was kept under the same name.
    async fn set_learned(&self, learned: &Learned, now: Timestamp) -> Result<(), StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl LearnedStore for ThisStore {
        async fn learned(&self) -> Result<Vec<Learned>, StoreError> {
            let select = sqlx::query_as("SELECT ca, name, body FROM learned ORDER BY ca, name");
            let rows = self.rows("learned_select", select).await?;
            rows.into_iter().map(learned).collect()
        }

        async fn set_learned(&self, learned: &Learned, now: Timestamp) -> Result<(), StoreError> {
            let upsert = sqlx::query(
                "INSERT INTO learned (ca, name, body, learned_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (ca, name)
                 DO UPDATE SET body = excluded.body, learned_at = excluded.learned_at",
            )
            .bind(learned.ca.as_str())
            .bind(&learned.name)
            .bind(&learned.body)
            .bind(now.unix());
            self.write_alone("learned_upsert", upsert).await
        }
    }
}

/// The lesson in a row: CA, name and body.
fn learned((ca, name, body): (String, String, String)) -> Result<Learned, StoreError> {
    let ca = ca.parse().map_err(|error: CaNameError| {
        StoreError::from_driver("learned_select", misfit("ca", error))
    })?;
    Ok(Learned { ca, name, body })
}

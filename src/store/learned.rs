//! What was learned about the CAs' clients, kept across restarts.

use async_trait::async_trait;

use super::both::for_both_stores;
use super::error::StoreError;
use super::row::misfit;
use crate::domain::policy::ca::{CaName, CaNameError};
use crate::domain::time::Timestamp;

/// Something learned about a CA's clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Learned {
    /// The CA.
    pub ca: CaName,
    /// The name of what was learned, such as `returns`.
    pub name: String,
    /// The learned values, as JSON.
    pub body: String,
}

/// What was learned about the CAs' clients.
#[async_trait]
pub trait LearnedStore {
    /// Everything learned, by CA and name.
    async fn learned(&self) -> Result<Vec<Learned>, StoreError>;

    /// Stores what was learned, replacing what was stored under the same name.
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

/// A row as what was learned: CA, name and body.
fn learned((ca, name, body): (String, String, String)) -> Result<Learned, StoreError> {
    let ca = ca.parse().map_err(|error: CaNameError| {
        StoreError::from_driver("learned_select", misfit("ca", error))
    })?;
    Ok(Learned { ca, name, body })
}

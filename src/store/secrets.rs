//! The key of the keyed hashes.

use async_trait::async_trait;

use super::both::for_both_stores;
use super::error::StoreError;
use super::row::misfit;
use crate::domain::certificate::hash::HashKey;

/// Secrets.
#[async_trait]
pub trait SecretStore {
    /// The key of the keyed hashes, made by the first migration.
    async fn hash_key(&self) -> Result<HashKey, StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl SecretStore for ThisStore {
        async fn hash_key(&self) -> Result<HashKey, StoreError> {
            let select = sqlx::query_as::<_, (Vec<u8>,)>("SELECT hash_key FROM secrets");
            let key = self.row("hash_key", select).await?.map(|(key,)| key);
            // A missing key is an error like a key of the wrong length.
            let key = key.unwrap_or_default().try_into().map_err(|_| {
                StoreError::from_driver("hash_key", misfit("hash_key", "not 16 octets"))
            })?;
            Ok(HashKey::new(key))
        }
    }
}

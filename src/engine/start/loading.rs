//! Loads a state from the store.

use crate::config::Config;
use crate::domain::certificate::hash::HashKey;
use crate::domain::time::Timestamp;
use crate::engine::error::EngineError;
use crate::engine::learn::lessons;
use crate::engine::state::memory::Memory;
use crate::store::{FeedPosition, Load, Store};

/// Sums a state from the store's rows.
pub(in crate::engine) async fn load(
    store: &dyn Store,
    config: Config,
    key: HashKey,
    now: Timestamp,
) -> Result<(Memory, FeedPosition), EngineError> {
    let memory = Memory::new(config, key, now);
    memory.adopt_planned(store.planned().await?);
    let position = load_into(&memory, store, Load::Everything, now).await?;
    Ok((memory, position))
}

pub(in crate::engine) async fn load_into(
    memory: &Memory,
    store: &dyn Store,
    what: Load,
    now: Timestamp,
) -> Result<FeedPosition, EngineError> {
    let observed_from = now - memory.config.retention_seconds;
    let position = store
        .load(what, observed_from, &mut |change| {
            memory.apply(change);
        })
        .await?;
    memory.batches().close_pass();
    lessons::recall(memory, &store.learned().await?);
    Ok(position)
}

//! A state that is summed from the store.

use crate::config::Config;
use crate::domain::certificate::hash::HashKey;
use crate::domain::time::Timestamp;
use crate::engine::error::EngineError;
use crate::engine::learn::returning;
use crate::engine::state::world::World;
use crate::store::{FeedPosition, Load, Store};

/// Sums a world from the store's rows.
pub(in crate::engine) async fn load(
    store: &dyn Store,
    config: Config,
    key: HashKey,
    now: Timestamp,
) -> Result<(World, FeedPosition), EngineError> {
    let world = World::new(config, key, now);
    world.adopt_planned(store.planned().await?);
    let position = load_into(&world, store, Load::Everything, now).await?;
    Ok((world, position))
}

pub(in crate::engine) async fn load_into(
    world: &World,
    store: &dyn Store,
    what: Load,
    now: Timestamp,
) -> Result<FeedPosition, EngineError> {
    let observed_from = now - world.config.retention_seconds;
    let position = store
        .load(what, observed_from, &mut |change| {
            world.apply(change);
        })
        .await?;
    world.batches().close_pass();
    returning::recall(world, &store.learned().await?);
    Ok(position)
}

//! Everything that is summed, from the store's rows.

use std::sync::Arc;

use super::resuming::Stage;
use super::world::{Applied, World};
use super::{Engine, EngineError, returning};
use crate::config::Config;
use crate::domain::hash::HashKey;
use crate::domain::time::Timestamp;
use crate::store::{FeedPosition, Store};

impl Engine {
    /// Sums a world from the store and puts it in force, and moves `position` with it. What polls
    /// have shown goes over, and what was written meanwhile is read before it answers.
    pub(super) async fn sum_anew(
        &self,
        config: Config,
        position: &mut FeedPosition,
    ) -> Result<(), EngineError> {
        let now = self.now();
        let (world, loaded) = loop {
            let key = self.world().key;
            let (world, mut loaded) = load(self.store(), config.clone(), key, now).await?;
            // What was taken back meanwhile may have been summed: once more.
            if self.read_feed(&world, &mut loaded).await? == Applied::Done {
                break (world, loaded);
            }
        };
        if self.is_summed() {
            world.remember_measured(&self.world());
        }
        world.remember_polls(&self.world(), self.started_at, now);
        world.begin_shadows(now);
        world.learn(now);
        // Together, with nothing to wait for in between.
        self.world.store(Arc::new(world));
        *position = loaded;
        self.resuming.reach(Stage::Summed);
        Ok(())
    }
}

/// Sums a world from the store's rows.
pub(super) async fn load(
    store: &dyn Store,
    config: Config,
    key: HashKey,
    now: Timestamp,
) -> Result<(World, FeedPosition), EngineError> {
    let observed_from = now - config.retention_seconds;
    let world = World::new(config, key, now);
    let position = store
        .load(observed_from, &mut |change| {
            world.apply(change);
        })
        .await?;
    world.batches().close_pass();
    returning::recall(&world, &store.learned().await?);
    Ok((world, position))
}

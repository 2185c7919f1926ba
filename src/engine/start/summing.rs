//! Computes the sums: from the store's rows, or from an index that came from a file.

use std::sync::Arc;

use super::loading::{load, load_into};
use super::stage::Stage;
use crate::config::Config;
use crate::engine::blocking::run_blocking;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::engine::state::change::Applied;
use crate::store::{FeedPosition, Load};

impl Engine {
    /// Sums a new state from the store and makes it current, and moves `position` along. Poll
    /// records are copied, and changes written meanwhile are read before this returns.
    pub(in crate::engine) async fn rebuild(
        &self,
        config: Config,
        position: &mut FeedPosition,
    ) -> Result<(), EngineError> {
        let now = self.now();
        let (memory, loaded) = loop {
            let key = self.memory().key;
            let (memory, mut loaded) = load(self.store(), config.clone(), key, now).await?;
            // Something removed in the meantime may have been included, so repeat.
            if self.read_feed(&memory, &mut loaded).await? == Applied::Done {
                break (memory, loaded);
            }
        };
        if self.is_summed() {
            memory.remember_measured(&self.memory());
        }
        memory.remember_polls(&self.memory(), self.started_at, now);
        memory.begin_shadows(now);
        memory.learn(now);
        // Together, without awaiting anything in between.
        self.memory.store(Arc::new(memory));
        *position = loaded;
        self.resuming.reach(Stage::Ready);
        Ok(())
    }

    /// Sums the certificates of an index that came from a file, and everything else from the store;
    /// not [`Applied::Done`] if something was removed in the meantime. Only reading the feed is
    /// blocked.
    pub(in crate::engine) async fn sum_index(
        &self,
        position: &mut FeedPosition,
    ) -> Result<Applied, EngineError> {
        let (memory, now) = (self.memory(), self.now());
        let counting = Arc::clone(&memory);
        run_blocking(move || counting.count_all()).await?;
        load_into(&memory, self.store(), Load::WithoutCertificates, now).await?;
        let outcome = self.read_feed(&memory, position).await?;
        if outcome == Applied::Done {
            memory.begin_shadows(now);
            memory.learn(now);
            self.resuming.reach(Stage::Ready);
        }
        Ok(outcome)
    }
}

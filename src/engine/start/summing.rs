//! Everything that is summed: from the store's rows, or from the index where that came from a file.

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
    /// Sums a new state from the store and puts it in force, and moves `position` along. What polls
    /// have shown is carried over, and changes written meanwhile are read before this returns.
    pub(in crate::engine) async fn rebuild(
        &self,
        config: Config,
        position: &mut FeedPosition,
    ) -> Result<(), EngineError> {
        let now = self.now();
        let (memory, loaded) = loop {
            let key = self.memory().key;
            let (memory, mut loaded) = load(self.store(), config.clone(), key, now).await?;
            // What was taken back meanwhile may have been summed: once more.
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
        // Together, with nothing to wait for in between.
        self.memory.store(Arc::new(memory));
        *position = loaded;
        self.resuming.reach(Stage::Ready);
        Ok(())
    }

    /// Sums the certificates of an index that came from a file, and all else from the store;
    /// whether nothing was taken back meanwhile. Who reads the feed waits, nobody else does.
    pub(in crate::engine) async fn sum_index(
        &self,
        position: &mut FeedPosition,
    ) -> Result<Applied, EngineError> {
        let (memory, now) = (self.memory(), self.now());
        let counting = Arc::clone(&memory);
        run_blocking(move || counting.count_all()).await?;
        load_into(&memory, self.store(), Load::BesideCertificates, now).await?;
        let outcome = self.read_feed(&memory, position).await?;
        if outcome == Applied::Done {
            memory.begin_shadows(now);
            memory.learn(now);
            self.resuming.reach(Stage::Ready);
        }
        Ok(outcome)
    }
}

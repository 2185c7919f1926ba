//! A start with the index's file, and with the store where that can be reached; where it cannot,
//! what the file holds is answered until it can.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock::Clock;
use super::index::{Snapshot, Unusable};
use super::resuming::{Resuming, Stage, read};
use super::tasks::tried;
use super::world::World;
use super::{Engine, EngineError};
use crate::config::Config;
use crate::domain::hash::HashKey;
use crate::store::{FeedPosition, Sharing, Store, StoreError};

/// A store that has not answered after this long, or that somebody else migrates, is not waited for
/// where there is something to answer with.
const FOUND_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries to reach it.
const JOIN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is known of a store at the start.
enum Found {
    /// It cannot be reached.
    Absent(StoreError),
    /// It has not answered yet.
    Silent,
    /// It is there and has this key.
    There(HashKey),
}

impl Engine {
    /// As [`Engine::open`], and answers before everything is summed where `snapshot` names the file
    /// that such an engine wrote: what is summed is summed by [`Engine::run`], and whoever
    /// registers or publishes waits for it. The file is written anew from time to time, and by
    /// [`Engine::keep_snapshot`].
    ///
    /// A shared store that cannot be reached is not needed where the file is of use:
    /// [`Engine::run`] joins it when it can.
    ///
    /// # Errors
    /// [`EngineError::Store`] where the store cannot be read, or refuses us.
    pub async fn resume(
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<dyn Clock>,
        snapshot: PathBuf,
    ) -> Result<Arc<Self>, EngineError> {
        let now = clock.now();
        let found = find(store.as_ref()).await?;
        let key = match &found {
            Found::There(key) => Some(*key),
            Found::Absent(_) | Found::Silent => None,
        };
        let Some(kept) = read(&snapshot, &config, key, now).await else {
            if let Found::Absent(error) = found {
                return Err(error.into());
            }
            let resuming = Resuming::at(snapshot, now, Stage::Summed);
            return Self::open_with(store, config, clock, resuming).await;
        };
        let resuming = Resuming::at(snapshot, now, Stage::Alone);
        let engine = Self::around(kept, store, config, clock, resuming);
        let missing = match found {
            Found::Absent(error) => Some(error.to_string()),
            Found::Silent => Some("the database has not answered yet".to_owned()),
            Found::There(_) => match engine.join().await {
                Ok(()) => None,
                Err(EngineError::Store(error)) if may_do_without(engine.store(), &error) => {
                    Some(error.to_string())
                }
                Err(error) => return Err(error),
            },
        };
        if let Some(reason) = missing {
            tracing::warn!(event = "started_without_store", reason);
        }
        Ok(Arc::new(engine))
    }

    /// What the index's file holds, as it was written.
    fn around(
        kept: Snapshot,
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<dyn Clock>,
        resuming: Resuming,
    ) -> Self {
        let Snapshot {
            header,
            beside,
            key,
            index,
        } = kept;
        let world = World::around(index, config, key, clock.now());
        for incident in beside.incidents {
            world.heed(incident);
        }
        let publication = beside.publication.map(Arc::new);
        let position = FeedPosition(header.position);
        let engine = Self::new(store, clock, world, position, publication, resuming);
        let heard_at = header.written_at.unix();
        engine.fed_at.store(heard_at, Ordering::Relaxed);
        engine
    }

    /// Joins the store, where that was not done at the start: sees that it is as it has to be and
    /// the one that the index's file belongs to, and takes in what was written since. A file of
    /// another one is forgotten.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn join(&self) -> Result<(), EngineError> {
        if self.resuming.stage() != Stage::Alone {
            return Ok(());
        }
        self.store.admit().await?;
        let key = self.store.hash_key().await?;
        let publication = self.store.publication_after(0).await?;
        let mut position = self.feed.lock().await;
        let world = self.world();
        if world.key == key {
            // With the index alone, it does not matter what else it would change.
            self.read_feed(&world, &mut position).await?;
        } else {
            self.resuming.ignore(&Unusable::OtherKey.to_string());
            let config = Config::clone(&world.config);
            self.world
                .store(Arc::new(World::new(config, key, self.now())));
        }
        self.publication.store(publication.map(Arc::new));
        self.fed_at.store(self.now().unix(), Ordering::Relaxed);
        self.resuming.reach(Stage::Joined);
        Ok(())
    }

    /// Joins the store as soon as it is there. One that does not let us in yet may be on its way to
    /// doing so; what a start refuses otherwise is refused now.
    pub(super) async fn join_at_last(&self) -> Result<(), EngineError> {
        if self.resuming.stage() != Stage::Alone {
            return Ok(());
        }
        loop {
            match self.join().await {
                Ok(()) => break,
                Err(error @ EngineError::Store(StoreError::Unavailable { .. })) => {
                    tried("join", Err(error));
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(JOIN_AGAIN_AFTER).await;
        }
        tracing::info!(event = "store_joined");
        Ok(())
    }
}

async fn find(store: &dyn Store) -> Result<Found, StoreError> {
    let asking = async {
        store.admit().await?;
        store.hash_key().await
    };
    if store.sharing() == Sharing::IndexIsComplete {
        return asking.await.map(Found::There);
    }
    match tokio::time::timeout(FOUND_WITHIN, asking).await {
        Ok(Ok(key)) => Ok(Found::There(key)),
        Ok(Err(error)) if may_do_without(store, &error) => Ok(Found::Absent(error)),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Found::Silent),
    }
}

/// Whether a start may go on after this error: what is in no file the store is asked for later. Of
/// one whose index is complete, what is in no file would be unknown.
fn may_do_without(store: &dyn Store, error: &StoreError) -> bool {
    store.sharing() == Sharing::AskOnMiss && error.is_absence()
}

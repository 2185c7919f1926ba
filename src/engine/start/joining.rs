//! A start with the index's file, and with the store if it can be reached. If it cannot, answers
//! come from the file until it can.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::resuming::{is_old, read};
use super::stage::{Resuming, Stage};
use crate::config::Config;
use crate::domain::certificate::hash::HashKey;
use crate::domain::time::Timestamp;
use crate::engine::clock::Clock;
use crate::engine::error::EngineError;
use crate::engine::index::{Snapshot, Unusable};
use crate::engine::service::Engine;
use crate::engine::state::change::Applied;
use crate::engine::state::memory::Memory;
use crate::engine::state::pending_successors::PendingSuccessors;
use crate::engine::tasks::Attempts;
use crate::store::{FeedPosition, Sharing, Store, StoreError};

/// How long to wait for a store that does not answer, or that is being migrated, if there is
/// something to answer with.
const FOUND_WITHIN: Duration = Duration::from_secs(5);
/// A store that loads within this time needs no other way to answer: about 300,000 certificates.
const LOADED_WITHIN: Duration = Duration::from_secs(3);
/// The feed's position before all changes.
const NOTHING_READ: FeedPosition = FeedPosition(0);
/// The pause between two attempts to reach it.
const JOIN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The state of a store at the start.
enum StoreProbe {
    /// It cannot be reached.
    Absent(StoreError),
    /// It has not answered yet.
    Silent,
    /// It is reachable and has this key.
    There(HashKey),
}

impl Engine {
    /// As [`Engine::open`], but answers before everything is summed: from the file at `snapshot`,
    /// or without a file by looking up each certificate in the store. [`Engine::run`] computes the
    /// sums; registrations and publications wait for them. The file is rewritten from time to time,
    /// and by [`Engine::keep_snapshot`].
    ///
    /// If the file can be used, a shared store need not be reachable: [`Engine::run`] joins it
    /// later.
    ///
    /// # Errors
    /// [`EngineError::Store`] if the store cannot be read, or rejects this process.
    pub async fn resume(
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<dyn Clock>,
        snapshot: PathBuf,
    ) -> Result<Arc<Self>, EngineError> {
        let now = clock.now();
        let found = find(store.as_ref()).await?;
        let key = match &found {
            StoreProbe::There(key) => Some(*key),
            StoreProbe::Absent(_) | StoreProbe::Silent => None,
        };
        let Some(kept) = read(&snapshot, &config, key, now).await else {
            if let StoreProbe::Absent(error) = found {
                return Err(error.into());
            }
            return Self::resume_without(store, config, clock, snapshot).await;
        };
        let resuming = Resuming::at(snapshot, now, Stage::Offline);
        let engine = Self::around(kept, store, config, clock, resuming);
        let missing = match found {
            StoreProbe::Absent(error) => Some(error.to_string()),
            StoreProbe::Silent => Some("the database has not answered yet".to_owned()),
            StoreProbe::There(_) => match engine.join().await {
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

    /// Loads everything from the store, as [`Engine::open`]; if that takes long, as
    /// [`Engine::resume_empty`].
    async fn resume_without(
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<dyn Clock>,
        snapshot: PathBuf,
    ) -> Result<Arc<Self>, EngineError> {
        // However long it takes to answer, because without it there is nothing to answer with.
        store.admit().await?;
        let resuming = Resuming::at(snapshot.clone(), clock.now(), Stage::Ready);
        let (to, by) = (Arc::clone(&store), Arc::clone(&clock));
        let loading = Self::open_with(to, config.clone(), by, resuming);
        if let Ok(loaded) = tokio::time::timeout(LOADED_WITHIN, loading).await {
            return loaded;
        }
        Self::resume_empty(store, config, clock, snapshot).await
    }

    /// Leaves loading to [`Engine::run`]; until then, certificates are looked up in the store.
    async fn resume_empty(
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<dyn Clock>,
        snapshot: PathBuf,
    ) -> Result<Arc<Self>, EngineError> {
        let key = store.hash_key().await?;
        let now = clock.now();
        let memory = Memory::new(config, key, now);
        for incident in store.incidents().await? {
            memory.apply_incident(incident);
        }
        memory.adopt_planned(store.planned().await?);
        let publication = store.publication_after(0).await?.map(Arc::new);
        let resuming = Resuming::at(snapshot, now, Stage::Following);
        tracing::info!(event = "started_without_index");
        let engine = Self::new(store, clock, memory, NOTHING_READ, publication, resuming);
        Ok(Arc::new(engine))
    }

    /// The content of the index's file.
    fn around(
        kept: Snapshot,
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<dyn Clock>,
        resuming: Resuming,
    ) -> Self {
        let Snapshot {
            header,
            extras,
            key,
            index,
        } = kept;
        let awaited = PendingSuccessors::of(extras.awaited);
        let memory = Memory::around(index, awaited, config, key, clock.now());
        for incident in extras.incidents {
            memory.apply_incident(incident);
        }
        let publication = extras.publication.map(Arc::new);
        let position = FeedPosition(header.position);
        let engine = Self::new(store, clock, memory, position, publication, resuming);
        let heard_at = header.written_at.unix();
        engine.fed_at.store(heard_at, Ordering::Relaxed);
        engine
    }

    /// Joins the store, unless that was done at the start: checks that it is in order and belongs
    /// to the index's file, and reads the changes since. A file of another store is dropped.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn join(&self) -> Result<(), EngineError> {
        if self.resuming.stage() != Stage::Offline {
            return Ok(());
        }
        self.store.admit().await?;
        let key = self.store.hash_key().await?;
        let publication = self.store.publication_after(0).await?;
        let mut position = self.feed.lock().await;
        let memory = self.memory();
        if memory.key == key {
            // Only the index exists, so other effects of the changes do not matter.
            let outcome = self.read_feed(&memory, &mut position).await?;
            let written_at = Timestamp::from_unix(self.fed_at.load(Ordering::Relaxed));
            if outcome != Applied::PlaceLost && !is_old(written_at, self.now()) {
                self.resuming.follow();
            }
        } else {
            self.resuming.ignore(&Unusable::OtherKey.to_string());
            let config = Config::clone(&memory.config);
            self.memory
                .store(Arc::new(Memory::new(config, key, self.now())));
        }
        self.publication.store(publication.map(Arc::new));
        self.fed_at.store(self.now().unix(), Ordering::Relaxed);
        self.resuming.reach(Stage::Following);
        Ok(())
    }

    /// Joins the store as soon as it is available. A store that rejects us for now may accept us
    /// later; other rejections are final, as at a start.
    pub(in crate::engine) async fn join_at_last(&self) -> Result<(), EngineError> {
        if self.resuming.stage() != Stage::Offline {
            return Ok(());
        }
        let mut joining = Attempts::at("join");
        loop {
            match self.join().await {
                Ok(()) => break,
                Err(error @ EngineError::Store(StoreError::Unavailable { .. })) => {
                    joining.note(Err(error));
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(JOIN_AGAIN_AFTER).await;
        }
        tracing::info!(event = "store_joined");
        Ok(())
    }
}

async fn find(store: &dyn Store) -> Result<StoreProbe, StoreError> {
    let asking = async {
        store.admit().await?;
        store.hash_key().await
    };
    if store.sharing() == Sharing::IndexIsComplete {
        return asking.await.map(StoreProbe::There);
    }
    match tokio::time::timeout(FOUND_WITHIN, asking).await {
        Ok(Ok(key)) => Ok(StoreProbe::There(key)),
        Ok(Err(error)) if may_do_without(store, &error) => Ok(StoreProbe::Absent(error)),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(StoreProbe::Silent),
    }
}

/// Whether a start may continue after this error. It may if the store can be asked later for what
/// the file lacks. It may not with a complete index, because a certificate missing in the file
/// would count as unknown.
fn may_do_without(store: &dyn Store, error: &StoreError) -> bool {
    store.sharing() == Sharing::AskOnMiss && error.is_absence()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::certificate::names::Names;
    use crate::domain::certificate::{Submission, Validity};
    use crate::domain::time::DAY;
    use crate::engine::answer::renewal_info::Miss;
    use crate::engine::clock::ManualClock;
    use crate::store::{Migrations, connect};

    const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);

    fn certificate(serial: &str) -> Submission {
        Submission {
            id: format!("aYhba4dGQEHhs3uEe6CuLN4ByNQ.{serial}")
                .parse()
                .unwrap(),
            validity: Validity {
                not_before: NOW,
                not_after: NOW + 90 * DAY,
            },
            issued_at: None,
            replaces: None,
            names: Names::default(),
        }
    }

    #[tokio::test]
    async fn what_is_not_loaded_yet_is_looked_up_in_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("offpeak.db").display());
        let store = connect(&url, Migrations::Apply).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
        let (known, unknown) = (certificate("AIdlQyE"), certificate("AIdlQyI"));
        let before = Engine::open(Arc::clone(&store), Config::default(), Arc::clone(&clock));
        let before = before.await.unwrap();
        before
            .register(std::slice::from_ref(&known), None)
            .await
            .unwrap();
        let given = before.renewal_info(&known.id).await.unwrap().window;
        drop(before);

        let file = folder.path().join("index");
        let engine = Engine::resume_empty(store, Config::default(), clock, file);
        let engine = engine.await.unwrap();
        assert!(!engine.is_summed());
        assert_eq!(engine.certificates_indexed(), 0);
        assert_eq!(engine.renewal_info(&known.id).await.unwrap().window, given);
        let missed = engine.renewal_info(&unknown.id).await;
        assert_eq!(missed.unwrap_err(), Miss::UnknownSerial);
        assert_eq!(engine.certificates_indexed(), 1);

        engine.sum_up().await.unwrap();
        assert!(engine.is_summed());
        assert_eq!(engine.certificates_indexed(), 1);
        assert_eq!(engine.renewal_info(&known.id).await.unwrap().window, given);
        let before = engine.store().queries_run();
        assert!(engine.renewal_info(&unknown.id).await.is_err());
        assert_eq!(
            engine.store().queries_run(),
            before,
            "the index is complete"
        );
    }
}

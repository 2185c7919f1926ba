//! The current documents: making them, storing them, and checking that they can be served.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::demand::profile::Profile;
use crate::domain::policy::ca::CaPolicy;
use crate::domain::publication::documents::documents;
use crate::domain::publication::page::{Facts, INDEX, OUTLOOK_HOURS, pages};
use crate::domain::publication::ranking::Times;
use crate::domain::status::PublicIncident;
use crate::domain::time::Timestamp;
use crate::engine::answer::forecast::outlooks;
use crate::engine::answer::renewal_info::Miss;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::engine::start::stage::Stage;
use crate::store::{Lease, Publication, Turn};

/// The service is degraded if the feed has not been read to its end for this long; it is read twice
/// a second.
const FEED_LATE_SECONDS: i64 = 15;

/// Whether the service can do its work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// What is degraded, in words.
    pub degraded: Vec<String>,
}

/// A publication to be made.
#[derive(Clone, Copy, Debug)]
struct Due {
    why: Why,
    /// Not needed if there is one from this time or later.
    unless_since: Timestamp,
}

/// Why a publication is to be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    /// The newest publication lacks something that the model has learned.
    News,
    /// The newest publication is too old.
    Time,
}

impl Engine {
    /// The current publication.
    #[must_use]
    pub fn publication(&self) -> Option<Arc<Publication>> {
        self.publication.load_full()
    }

    /// A document of an earlier publication, such as an immutable copy.
    ///
    /// # Errors
    /// [`Miss::Busy`] if the store is unavailable or too many look-ups are in progress.
    pub async fn earlier_document(&self, path: &str) -> Result<Option<Arc<[u8]>>, Miss> {
        let Some(_place) = self.look_ups.document() else {
            return Err(Miss::Busy);
        };
        self.store().document(path).await.map_err(|error| {
            tracing::warn!(event = "look_up_failed", %error);
            Miss::Busy
        })
    }

    /// From now on it is not ready, so that load balancers send requests elsewhere.
    pub fn stop_soon(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Makes a publication now, including everything acknowledged so far, and stores it.
    ///
    /// # Errors
    /// [`EngineError::Store`]; [`EngineError::NotSummed`].
    pub async fn publish(&self) -> Result<Arc<Publication>, EngineError> {
        self.wait_until_ready().await?;
        self.catch_up().await?;
        self.learn();
        let made = self.make();
        let number = self.store().publish(&made, None).await?;
        Ok(self.take(made, number.unwrap_or(0)))
    }

    /// Makes a publication if there is none, the newest is older than the interval, or the model
    /// has learned something that the newest lacks. Of several processes, the one with the lease
    /// makes it; the others read it from the store. Nothing is made before everything is summed.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn publish_if_due(&self) -> Result<(), EngineError> {
        if self.take_newer().await? || !self.is_summed() || self.due().is_none() {
            return Ok(());
        }
        // If there is none at all, nothing can be served before there is.
        let turn = match self.publication() {
            Some(_) => Turn::Now,
            None => Turn::Wait,
        };
        let Some(_term) = self.store().take_lease(Lease::Publication, turn).await? else {
            return Ok(());
        };
        // The previous holder of the lease may have made one in the meantime.
        if self.take_newer().await? {
            return Ok(());
        }
        let Some(due) = self.due() else {
            return Ok(());
        };
        if due.why == Why::Time {
            self.learn();
        }
        let made = self.make();
        match self.store().publish(&made, Some(due.unless_since)).await? {
            Some(number) => drop(self.take(made, number)),
            // A process that lost its lease unnoticed, or needs none, was faster.
            None => drop(self.take_newer().await?),
        }
        Ok(())
    }

    /// Adopts a newer publication of another process; returns whether there was one.
    async fn take_newer(&self) -> Result<bool, EngineError> {
        let number = self
            .publication()
            .map_or(0, |publication| publication.number);
        let newer = self.store().publication_after(number).await?;
        let found = newer.is_some();
        if let Some(newer) = newer {
            self.publication.store(Some(Arc::new(newer)));
        }
        Ok(found)
    }

    fn due(&self) -> Option<Due> {
        let now = self.now();
        let too_old = now - self.config().publish_interval_seconds;
        let by_time = Due {
            why: Why::Time,
            unless_since: too_old + 1,
        };
        let Some(publication) = self.publication() else {
            return Some(by_time);
        };
        if publication.made_at <= too_old {
            return Some(by_time);
        }
        let news = self.news_to(&publication);
        let by_news = Due {
            why: Why::News,
            unless_since: publication.made_at + 1,
        };
        news.is_worth_another(publication.made_at, now)
            .then_some(by_news)
    }

    fn take(&self, made: Publication, number: i64) -> Arc<Publication> {
        let publication = Arc::new(Publication { number, ..made });
        self.publication.store(Some(Arc::clone(&publication)));
        tracing::info!(
            event = "published",
            number,
            documents = publication.documents.len()
        );
        publication
    }

    fn make(&self) -> Publication {
        let memory = self.memory();
        let now: Timestamp = self.now();
        let profiles: Vec<Arc<Profile>> =
            memory.cas.iter().map(|ca| ca.profile.load_full()).collect();
        let in_force = memory.in_force();
        let cas: Vec<(&CaPolicy, &Profile)> = in_force
            .policies
            .iter()
            .zip(profiles.iter().map(AsRef::as_ref))
            .collect();
        let times = Times::new(now, memory.config.publish_interval_seconds);
        let before = self.publication();
        let before = before.as_ref().map_or(&[][..], |before| &before.documents);
        let mut documents = documents(before, &cas, &times);
        let incidents = PublicIncident::all(memory.incidents().values(), now);
        let facts = Facts {
            base_url: memory.config.base_url.as_deref(),
            incidents: &incidents,
            outlooks: &outlooks(&memory, now, OUTLOOK_HOURS),
        };
        documents.extend(pages(&documents, &facts));
        Publication {
            number: 0,
            made_at: now,
            documents,
        }
    }

    /// Whether the service can do its work: it has readable documents, and its index follows the
    /// store.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let problem = self.publication().map_or_else(
            || Some("nothing has been published yet".to_owned()),
            |publication| {
                let path = damaged(&publication)?;
                Some(format!("the document {path} cannot be read"))
            },
        );
        let stopping = self.stopping.load(Ordering::Relaxed);
        let ready = problem.is_none() && !stopping;
        let mut degraded: Vec<String> = problem.into_iter().collect();
        if stopping {
            degraded.push("the process has been told to stop".to_owned());
        }
        match self.resuming.stage() {
            Stage::Offline => degraded.push(
                "the store could not be reached at the start: what the index's file holds is \
                 answered, and nothing is taken"
                    .to_owned(),
            ),
            Stage::Following => {
                degraded.push("registrations wait until all is summed from the store".to_owned());
            }
            Stage::Ready => {}
        }
        let behind = self.now().unix() - self.fed_at.load(Ordering::Relaxed);
        if behind > FEED_LATE_SECONDS {
            degraded.push(format!("the store has not been reached for {behind} s"));
        }
        if let Some(who) = self.store().away() {
            degraded.push(format!(
                "{who} is away: what is not in memory is answered with 503"
            ));
        }
        if let Some(reason) = self.store().trouble() {
            degraded.push(format!(
                "the database takes no writes, which are turned away: {reason}"
            ));
        }
        Readiness { ready, degraded }
    }
}

/// The first unreadable document: invalid JSON, or a page without its end.
fn damaged(publication: &Publication) -> Option<&str> {
    publication
        .documents
        .iter()
        .find(|(path, bytes)| {
            if path.ends_with(INDEX) {
                !bytes.trim_ascii_end().ends_with(b"</html>")
            } else {
                serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err()
            }
        })
        .map(|(path, _)| path.as_str())
}

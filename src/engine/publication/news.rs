//! Whether news justifies a publication before its time.

use std::sync::{Arc, PoisonError};

use super::compared::Comparison;
use crate::domain::demand::knowledge::{Knowledge, News};
use crate::domain::demand::profile::Profile;
use crate::domain::publication::documents::ranking_of;
use crate::domain::publication::page::INDEX;
use crate::domain::status::PublicIncident;
use crate::engine::service::Engine;
use crate::store::Publication;

impl Engine {
    /// What a publication lacks: what was learned since, for the CA with the most news; a changed
    /// incident; or a page.
    pub(in crate::engine) fn news_to(&self, publication: &Arc<Publication>) -> News {
        let incidents = PublicIncident::all(self.memory().incidents().values(), self.now());
        let newer = |incident: &PublicIncident| incident.updated_at > publication.made_at;
        // A publication made by a version without pages is replaced by one with a page.
        let has_page = publication.documents.iter().any(|(path, _)| path == INDEX);
        let of_page = if !has_page || incidents.iter().any(newer) {
            News::Slot
        } else {
            News::No
        };
        self.learned_since(publication).max(of_page)
    }

    fn learned_since(&self, publication: &Arc<Publication>) -> News {
        let memory = self.memory();
        let profiles: Vec<Arc<Profile>> =
            memory.cas.iter().map(|ca| ca.profile.load_full()).collect();
        let mut compared = self
            .compared
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(comparison) = compared.as_ref()
            && comparison.is_of(publication, &profiles)
        {
            return comparison.news;
        }
        let cas = memory.config.cas.iter().zip(&profiles);
        let news = cas
            .map(|(policy, profile)| {
                let path = ranking_of(&policy.name);
                let document = publication.documents.iter().find(|(of, _)| *of == path);
                let incident = document
                    .map_or_else(Knowledge::default, |(_, bytes)| Knowledge::published(bytes));
                Knowledge::learned(profile).news_to(&incident)
            })
            .max()
            .unwrap_or(News::No);
        *compared = Some(Comparison {
            publication: Arc::clone(publication),
            profiles,
            news,
        });
        news
    }
}

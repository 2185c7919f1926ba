//! The last comparison of a publication with the model.

use std::sync::{Arc, Mutex};

use crate::domain::demand::knowledge::News;
use crate::domain::demand::profile::Profile;
use crate::store::Publication;

/// A publication, the profiles it was last compared with, and the result. Nothing is compared again
/// until either changes.
#[derive(Debug, Default)]
pub(in crate::engine) struct Compared(pub(in crate::engine) Mutex<Option<Comparison>>);

#[derive(Debug)]
pub(in crate::engine) struct Comparison {
    pub(in crate::engine) publication: Arc<Publication>,
    pub(in crate::engine) profiles: Vec<Arc<Profile>>,
    pub(in crate::engine) news: News,
}

impl Comparison {
    pub(in crate::engine) fn is_of(
        &self,
        publication: &Arc<Publication>,
        profiles: &[Arc<Profile>],
    ) -> bool {
        Arc::ptr_eq(&self.publication, publication)
            && self.profiles.len() == profiles.len()
            && self
                .profiles
                .iter()
                .zip(profiles)
                .all(|(known, now)| Arc::ptr_eq(known, now))
    }
}

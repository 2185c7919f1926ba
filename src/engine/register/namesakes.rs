//! Finds the predecessor of a certificate that does not name one: a certificate for the same names
//! whose window has begun.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::registration::issued_at;
use crate::domain::certificate::Submission;
use crate::domain::certificate::certid::CertId;
use crate::domain::time::Timestamp;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::store::Named;

/// A possible predecessor.
struct Candidate {
    id: CertId,
    ca: usize,
    window_from: Timestamp,
    not_after: Timestamp,
}

impl Engine {
    /// Returns the submissions with predecessors. Each that has names but no predecessor gets one:
    /// the certificate of the same CA for exactly these names that is due, which means that it is
    /// not replaced and its window had begun when the new one was issued. Of several, the one that
    /// expires first is taken, and each is used only once. It also stores the names, as a keyed
    /// hash of the set.
    ///
    /// Certificates of the same call are not considered, because a renewal comes after the
    /// certificate that it replaces.
    ///
    /// # Errors
    /// [`EngineError::Store`] and [`EngineError::NotSummed`].
    pub async fn with_predecessors<'a>(
        &self,
        submissions: &'a [Submission],
    ) -> Result<Cow<'a, [Submission]>, EngineError> {
        let (key, now) = (self.hash_key(), self.now());
        let is_live = |one: &&Submission| !one.names.is_empty() && one.validity.not_after > now;
        let named: Vec<Named> = submissions
            .iter()
            .filter(is_live)
            .map(|one| Named {
                id: one.id.clone(),
                names: one.names.hash(&key),
                not_after: one.validity.not_after,
            })
            .collect();
        if named.is_empty() {
            return Ok(Cow::Borrowed(submissions));
        }
        self.wait_until_ready().await?;
        let mut candidates = self.candidates(self.store().note_names(&named, now).await?);
        let mut submissions = submissions.to_vec();
        let mut taken: HashSet<CertId> = submissions
            .iter()
            .filter_map(|one| one.replaces.clone())
            .collect();
        let memory = self.memory();
        let is_registered = |id: &CertId| {
            let fingerprint = memory.index.fingerprint(id);
            memory.index.get(fingerprint, |_| ()).is_some()
        };
        let wanting = submissions
            .iter_mut()
            .filter(|one| is_live(&&**one) && one.replaces.is_none() && !is_registered(&one.id));
        for submission in wanting {
            let Some(ca) = memory.config.ca_of(&submission.id.key_identifier) else {
                continue;
            };
            let Some(of_names) = candidates.get_mut(&submission.names.hash(&key)) else {
                continue;
            };
            let at = issued_at(submission, &memory.in_force().policies[ca], now);
            let due = of_names.iter().find(|one| {
                one.ca == ca
                    && one.window_from <= at
                    && one.not_after < submission.validity.not_after
                    && one.id != submission.id
                    && !taken.contains(&one.id)
            });
            if let Some(due) = due {
                taken.insert(due.id.clone());
                submission.replaces = Some(due.id.clone());
            }
        }
        Ok(Cow::Owned(submissions))
    }

    /// Those that are registered and not replaced, by their names, in the order of expiry.
    fn candidates(&self, found: Vec<Named>) -> HashMap<u128, Vec<Candidate>> {
        let memory = self.memory();
        let mut candidates: HashMap<u128, Vec<Candidate>> = HashMap::new();
        for Named {
            id,
            names,
            not_after,
        } in found
        {
            let live = memory.index.get(memory.index.fingerprint(&id), |entry| {
                (!entry.replaced).then_some((usize::from(entry.ca), entry.window.from))
            });
            if let Some(Some((ca, window_from))) = live {
                candidates.entry(names).or_default().push(Candidate {
                    id,
                    ca,
                    window_from,
                    not_after,
                });
            }
        }
        for of_names in candidates.values_mut() {
            of_names.sort_by(|a, b| (a.not_after, &a.id).cmp(&(b.not_after, &b.id)));
        }
        candidates
    }
}

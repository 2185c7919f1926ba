//! A certificate's chain on its way to the client. The certificate is registered before the chain
//! is sent.

use std::sync::Arc;

use super::Gateway;
use super::asked::Asked;
use super::registrar::Handed;
use super::spool::Waiting;
use crate::domain::acme::Endpoint;
use crate::domain::certificate::Submission;
use crate::domain::certificate::names::Names;
use crate::ingest::first_of_chain;
use crate::store::IssuedFor;

impl Gateway {
    /// Passes on a chain after registering its certificate.
    pub(super) async fn chain(self: &Arc<Self>, asked: &mut Asked, octets: &[u8]) {
        asked.endpoint = Endpoint::Certificate;
        let issued = match first_of_chain(octets) {
            Ok(issued) => issued,
            Err(rejection) => {
                tracing::warn!(
                    event = "chain_unreadable",
                    gateway = self.config.name,
                    field = rejection.field,
                    detail = rejection.detail,
                );
                return;
            }
        };
        let live = self.orders.find(&asked.path_and_query);
        let own = self.orders.hash(&asked.path_and_query);
        let claim = self.claim_at(own, &asked.store).await;
        let key = self.engine.hash_key();
        let names: Names = issued.names.into_iter().collect();
        let account = asked.account.or_else(|| live.as_ref()?.account);
        let id = issued.id.clone();
        let issued_for = account
            .filter(|_| !names.is_empty())
            .map(|account| IssuedFor {
                id: id.clone(),
                account,
                names: names.hash(&key),
                each_name: names.each_hash(&key),
                not_after: issued.validity.not_after,
            });
        let claimed = match &claim {
            Some(claim) if self.holds_place(claim, &asked.store).await => {
                Some(claim.predecessor.clone())
            }
            _ => None,
        };
        let submission = Submission {
            id: issued.id,
            validity: issued.validity,
            issued_at: live.as_ref().and_then(|live| live.issued_at()),
            replaces: claimed
                .or_else(|| live.as_ref()?.renews.clone())
                .filter(|replaced| *replaced != id),
            // The replaced certificate is matched by account and names together.
            names: Names::default(),
        };
        let waiting = Waiting {
            submission,
            issued_for,
        };
        let handed = self.registrar.register(waiting, &asked.store).await;
        if let Some(claim) = claim {
            let gateway = Arc::clone(self);
            let background = self.engine.background();
            background.spawn(async move { gateway.settle(&claim, &id).await });
        }
        let outcome = match handed {
            Handed::Registered => "registered",
            Handed::Spooled => "spooled",
            Handed::Lost => "lost",
        };
        let labels = [
            ("gateway", self.config.name.clone()),
            ("outcome", outcome.to_owned()),
        ];
        metrics::counter!("offpeak_gateway_certificates_total", &labels).increment(1);
    }
}

//! A new order on its way: what it replaces, whether it renews, and whether it may go on.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use tokio::time::timeout;

use super::Gateway;
use super::admission::{Decision, NewOrder, Renewal};
use super::asked::{Asked, Place};
use super::claims::STORE_WITHIN;
use super::refusal::busy;
use super::replaces::Verdict;
use crate::domain::acme::{Endpoint, NewOrderPayload};
use crate::domain::certificate::certid::CertId;
use crate::domain::time::Timestamp;

impl Gateway {
    /// A new order: asks for admission, and goes on.
    pub(super) async fn new_order(
        self: &Arc<Self>,
        mut asked: Asked,
        order: NewOrderPayload,
        headers: HeaderMap,
        body: Body,
    ) -> (Endpoint, Response<Body>) {
        let verified = match &asked.envelope {
            Some(envelope) => {
                let path_and_query = &asked.path_and_query;
                self.accounts.is_verified(envelope, path_and_query).await
            }
            None => false,
        };
        asked.place.gateway = Some(Arc::clone(self));
        match self.check_replaces(&asked, &order, verified).await {
            Verdict::Nothing => {}
            Verdict::Replace(reserved) => asked.place.reserved = Some(reserved),
            Verdict::Refuse(refusal) => {
                return (Endpoint::NewOrder, refusal.answer(asked.nonce()));
            }
        }
        let names = order.names.hash(&self.engine.hash_key());
        asked.place.by_names = self.renewed_by_names(asked.account, names, asked.now).await;
        let renewal = self.renewal(&asked.place, asked.now);
        let failures = asked
            .account
            .map_or(0, |account| self.orders.failures(account, names));
        let request = NewOrder {
            account: asked.account,
            verified,
            names,
            renewal,
            failures,
        };
        match self.admission.admit(&request).await {
            Decision::Forward(ticket) => self.forward(asked, headers, body, Some(ticket)).await,
            Decision::TurnAway {
                retry_after_seconds,
            } => {
                let answer = busy(retry_after_seconds, asked.nonce());
                (Endpoint::NewOrder, answer)
            }
        }
    }

    /// The certificate that an order of this account for these names renews; none where the store is
    /// away.
    async fn renewed_by_names(
        &self,
        account: Option<u128>,
        names: u128,
        now: Timestamp,
    ) -> Option<CertId> {
        let asking = self.engine.store().issued_last(account?, names, now);
        timeout(STORE_WITHIN, asking).await.ok()?.ok().flatten()
    }

    /// Whether an order is a renewal, and whether that is due.
    fn renewal(&self, place: &Place, now: Timestamp) -> Renewal {
        let named = place
            .reserved
            .as_ref()
            .map(|reserved| &reserved.predecessor);
        let Some(id) = named.or(place.by_names.as_ref()) else {
            return Renewal::No;
        };
        match self.engine.renewal_info_in_memory(&self.engine.seek(id)) {
            Some(Ok(info)) if info.window.from <= now => Renewal::Due,
            _ => Renewal::Early,
        }
    }
}

//! Orders that claim a certificate's place by `replaces`: found by any of their URLs, followed,
//! settled and released.

use std::sync::Arc;

use super::Gateway;
use super::store_time::StoreTime;
use crate::domain::acme::Order;
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError};
use crate::store::Claim;

/// Logged if the store did not answer within a request's time limit.
pub(super) const LATE: &str = "the store did not answer in time";

/// Claims processed in one step.
const AT_ONCE: u32 = 500;

/// Prefix of the hash of an order's URL in the text of a certificate's successor.
pub(super) const ORDER: &str = "gateway-order:";

impl Gateway {
    /// Whether a claim's order still holds the place of the certificate it replaces.
    pub(super) async fn holds_place(&self, claim: &Claim, store: &StoreTime) -> bool {
        let asking = self.engine.certificate(&claim.predecessor);
        let found = store.ask(asking).await;
        let successor = found
            .and_then(Result::ok)
            .flatten()
            .and_then(|found| found.successor);
        successor.is_some_and(|successor| successor == order_successor(claim.order))
    }

    /// The claim that an upstream URL belongs to; `None` also if the store is unavailable.
    pub(super) async fn claim_at(&self, url: u128, store: &StoreTime) -> Option<Arc<Claim>> {
        if let Some(known) = self.claims.get(&url) {
            return known;
        }
        let asking = self.engine.store().claim_at(url);
        match store.ask(asking).await? {
            Ok(found) => {
                let found = found.map(Arc::new);
                self.claims.insert(url, found.clone());
                found
            }
            Err(error) => {
                tracing::debug!(event = "claim_unknown", gateway = self.config.name, %error);
                None
            }
        }
    }

    /// Records URLs that an order has got since its claim, in the background.
    pub(super) fn follow_claim(
        self: &Arc<Self>,
        claim: &Arc<Claim>,
        order: &Order,
        now: Timestamp,
    ) {
        let urls = self.urls_of(claim.order, order);
        let news: Vec<u128> = urls
            .into_iter()
            .filter(|url| !matches!(self.claims.get(url), Some(Some(_))))
            .collect();
        if news.is_empty() {
            return;
        }
        for url in &news {
            self.claims.insert(*url, Some(Arc::clone(claim)));
        }
        let (gateway, claim) = (Arc::clone(self), Arc::clone(claim));
        self.engine.background().spawn(async move {
            if let Err(error) = gateway.engine.store().claim(&claim, &news, now).await {
                tracing::warn!(event = "claim_not_kept", gateway = gateway.config.name, %error);
            }
        });
    }

    /// The order of a claim has failed, so another may replace the certificate.
    pub(super) async fn free(&self, claim: &Claim, store: &StoreTime) {
        let freed = store.ask(free(&self.engine, claim)).await;
        let error = match freed {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(error.to_string()),
            None => Some(LATE.to_owned()),
        };
        if let Some(error) = error {
            // The claim expires by itself.
            tracing::warn!(event = "claim_not_freed", gateway = self.config.name, error);
        }
        self.claims.invalidate_all();
    }

    /// The order of a claim has succeeded, so the claim no longer expires.
    pub(super) fn keep_for_good(self: &Arc<Self>, claim: &Claim) {
        if claim.expires_at.is_none() {
            return;
        }
        let (gateway, order) = (Arc::clone(self), claim.order);
        self.engine.background().spawn(async move {
            if let Err(error) = gateway.engine.store().settle_claim(order).await {
                tracing::warn!(event = "claim_not_settled", gateway = gateway.config.name, %error);
            }
        });
    }

    /// The certificate of a claim's order has been issued and registered.
    pub(super) async fn settle(&self, claim: &Claim, by: &CertId) {
        let settled = async {
            let from = order_successor(claim.order);
            let to = Successor::By(by.clone());
            self.engine
                .resucceed(&claim.predecessor, &from, Some(&to))
                .await?;
            self.engine.store().settle_claim(claim.order).await?;
            Ok::<_, EngineError>(())
        };
        if let Err(error) = settled.await {
            tracing::warn!(event = "claim_not_settled", gateway = self.config.name, %error);
        }
    }

    /// Releases the claims of orders that can no longer succeed.
    pub(super) async fn free_expired(&self) -> Result<(), EngineError> {
        let now = self.engine.now();
        for claim in self.engine.store().expired_claims(now, AT_ONCE).await? {
            free(&self.engine, &claim).await?;
        }
        Ok(())
    }

    pub(super) fn urls_of(&self, own: u128, order: &Order) -> Vec<u128> {
        let others = order.urls.iter().map(|url| self.orders.hash(url));
        std::iter::once(own).chain(others).collect()
    }
}

async fn free(engine: &Engine, claim: &Claim) -> Result<(), EngineError> {
    let from = order_successor(claim.order);
    engine.resucceed(&claim.predecessor, &from, None).await?;
    engine.store().drop_claim(claim.order).await?;
    Ok(())
}

pub(super) fn order_successor(url: u128) -> Successor {
    Successor::Order(format!("{ORDER}{url:032x}"))
}

//! Handles a new order: what it replaces, whether it is a renewal, and whether it may be forwarded.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, Response, header};

use super::Gateway;
use super::admission::{Decision, NewOrder, Renewal};
use super::asked::{Asked, Place};
use super::forward::{X_FORWARDED_FOR, detached, detached_value};
use super::refusal::{busy, over_limit};
use super::replaces::Verdict;
use crate::domain::acme::{Endpoint, NewOrderPayload};
use crate::domain::admission::{INTERIM_EVERY_SECONDS, hold_seconds, hold_seconds_with_interim};
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::hash::TextPurpose;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

const INTERIM_EVERY: Duration = Duration::from_secs(INTERIM_EVERY_SECONDS.unsigned_abs());

impl Gateway {
    /// Asks for admission and forwards a new order.
    pub(super) async fn new_order(
        self: &Arc<Self>,
        mut asked: Asked,
        order: NewOrderPayload,
        headers: HeaderMap,
        body: Body,
    ) -> (Endpoint, Response<Body>) {
        let headers = detached(headers);
        asked.host = detached_value(&asked.host);
        let verified = match &asked.envelope {
            Some(envelope) => {
                let path_and_query = &asked.path_and_query;
                let verifying = self
                    .accounts
                    .is_verified(envelope, path_and_query, &asked.store);
                verifying.await
            }
            None => false,
        };
        asked.verified = verified;
        asked.place.gateway = Some(Arc::clone(self));
        match self.check_replaces(&asked, &order, verified).await {
            Verdict::Nothing => {}
            Verdict::Replace(reserved) => asked.place.reserved = Some(reserved),
            Verdict::Refuse(refusal) => {
                return (Endpoint::NewOrder, refusal.answer(asked.nonce()));
            }
        }
        let names = order.names.hash(&self.engine.hash_key());
        asked.place.by_names = self.renewed_by_names(&asked, names).await;
        let renewal = self.renewal(&asked.place, asked.now);
        let failures = asked
            .account
            .map_or(0, |account| self.failures.count(account, names, asked.now));
        let usual = self.config.hold_seconds;
        let with_interim = asked.interim.take().and_then(|interim| {
            let seconds = hold_seconds_with_interim(user_agent(&headers), usual)?;
            Some((interim, seconds))
        });
        let request = NewOrder {
            account: asked.account,
            verified,
            names,
            renewal,
            failures,
            address: self.hash_of_address(&headers),
            hold_seconds: match &with_interim {
                Some((_, seconds)) => *seconds,
                None => hold_seconds(user_agent(&headers), usual),
            },
            octets: length(body.size_hint().exact()),
        };
        let admitting = self.admission.admit(&request);
        let decision = match &with_interim {
            Some((interim, _)) => interim.while_awaited(INTERIM_EVERY, admitting).await,
            None => admitting.await,
        };
        match decision {
            Decision::Forward(ticket) => {
                // In memory of its own, so that a held request does not need the memory for later
                // steps.
                Box::pin(self.forward(asked, headers, body, Some(ticket))).await
            }
            Decision::OverLimit {
                retry_after_seconds,
            } => {
                let answer = over_limit(retry_after_seconds, asked.nonce());
                (Endpoint::NewOrder, answer)
            }
            Decision::TurnAway {
                retry_after_seconds,
            } => {
                let answer = busy(retry_after_seconds, asked.nonce());
                (Endpoint::NewOrder, answer)
            }
        }
    }

    /// The keyed hash of the client's address: the last entry in `X-Forwarded-For` that is not one
    /// of our proxies. For IPv6 it is the network of a site (RFC 6177), because a site has 2^64
    /// addresses.
    fn hash_of_address(&self, headers: &HeaderMap) -> u128 {
        let config = self.engine.config();
        let proxies = &config.connections.trusted_proxies;
        let forwarded_for = headers.get_all(X_FORWARDED_FOR).iter();
        let forwarded_for: Vec<IpAddr> = forwarded_for
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|address| address.trim().parse().ok())
            .map(|address: IpAddr| address.to_canonical())
            .collect();
        let is_ours = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
        let client = forwarded_for.iter().rev().find(|address| !is_ours(address));
        let network = match client.or_else(|| forwarded_for.first()) {
            Some(IpAddr::V4(address)) => address.octets().to_vec(),
            Some(IpAddr::V6(address)) => address.octets()[..8].to_vec(),
            None => Vec::new(),
        };
        self.engine
            .hash_key()
            .hash_text(TextPurpose::Address, &network)
    }

    /// The certificate that an order of this account for these names renews; `None` if the store is
    /// unavailable.
    async fn renewed_by_names(&self, asked: &Asked, names: u128) -> Option<CertId> {
        let (account, store) = (asked.account?, self.engine.store());
        let asking = async {
            let last = store.issued_last(account, names, asked.now).await?;
            if last.len() < 2 {
                return Ok(last.into_iter().next());
            }
            // All certificates of a CA that ends soon expire with it. Memory learns of a
            // replacement up to a second later than the store.
            let stored = store.certificates(&last).await?;
            let is_replaced = |id: &CertId| {
                let mut replaced = stored.iter().filter(|one| one.successor.is_some());
                replaced.any(|one| one.id == *id)
            };
            Ok::<_, StoreError>(last.into_iter().min_by_key(is_replaced))
        };
        asked.store.ask(asking).await?.ok()?
    }

    /// Whether an order is a renewal, and whether it is due.
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

fn user_agent(headers: &HeaderMap) -> &str {
    let user_agent = headers.get(header::USER_AGENT);
    user_agent
        .and_then(|user_agent| user_agent.to_str().ok())
        .unwrap_or_default()
}

/// A body that was read whole has an exact length.
fn length(octets: Option<u64>) -> usize {
    octets.map_or(0, |octets| usize::try_from(octets).unwrap_or(usize::MAX))
}

//! `replaces` (RFC 9773 section 5). It is checked and reserved before an order is forwarded,
//! claimed when the upstream has accepted the order, repeated in every answer about it, and
//! released if the order fails.

use std::sync::Arc;

use axum::http::StatusCode;

use super::Gateway;
use super::asked::{Asked, Hold, Reserved};
use super::claims::{LATE, ORDER, order_successor};
use super::refusal::Refusal;
use super::store_time::StoreTime;
use crate::domain::acme::{NewOrderPayload, Order};
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::{Certificate, Successor};
use crate::domain::time::{DAY, MINUTE, Timestamp};
use crate::engine::EngineError;
use crate::store::{Claim, Succession};

/// How long a place is reserved while the upstream handles an order: longer than the maximum of
/// `upstream_timeout`. If the process ends, the reservation expires.
const RESERVED_SECONDS: i64 = 6 * MINUTE;

/// How long an order without an expiry date is assumed to be open: a week, the maximum of ACME
/// servers.
const USUAL_LIFE_SECONDS: i64 = 7 * DAY;

/// Prefix of the instant at which a reservation expires, in the text of a certificate's successor.
const RESERVATION: &str = "gateway-reservation:";

/// The decision about `replaces`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Ignore it: it is missing, or cannot be checked or reserved, and is not repeated in answers.
    Nothing,
    /// It passed the checks, and will be claimed when the upstream accepts the order.
    Replace(Reserved),
    /// Reject the order.
    Refuse(Refusal),
}

/// Why an order may not replace the certificate it names.
enum Failed {
    /// A check of the request failed.
    Check(Refusal),
    /// The store failed.
    Store(EngineError),
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self::Store(error)
    }
}

impl Gateway {
    /// Checks what a new order replaces and, if the request is verified, reserves the place.
    pub(super) async fn check_replaces(
        &self,
        asked: &Asked,
        order: &NewOrderPayload,
        verified: bool,
    ) -> Verdict {
        let Some(written) = &order.replaces else {
            return Verdict::Nothing;
        };
        // The upstream serves ARI itself, and does this check.
        if self.config.relay_upstream_ari {
            return Verdict::Nothing;
        }
        let checking = self.checked(asked, order, written, verified);
        let Some(checked) = asked.store.ask_of_replaces(checking).await else {
            tracing::warn!(
                event = "replaces_unchecked",
                gateway = self.config.name,
                error = LATE
            );
            return Verdict::Nothing;
        };
        match checked {
            Ok(reserved) => Verdict::Replace(reserved),
            Err(Failed::Check(_)) if self.config.lenient_replaces => Verdict::Nothing,
            Err(Failed::Check(refusal)) => Verdict::Refuse(refusal),
            Err(Failed::Store(error)) => {
                tracing::warn!(event = "replaces_unchecked", gateway = self.config.name, %error);
                Verdict::Nothing
            }
        }
    }

    async fn checked(
        &self,
        asked: &Asked,
        order: &NewOrderPayload,
        written: &str,
        verified: bool,
    ) -> Result<Reserved, Failed> {
        let id: CertId = written.parse().map_err(|error| {
            Failed::Check(Refusal::malformed(format!(
                "`replaces` is {written:?}, which is no CertID: {error}"
            )))
        })?;
        let certificate = self.engine.certificate(&id).await?;
        let certificate = certificate.ok_or_else(|| {
            Failed::Check(Refusal::malformed(format!(
                "`replaces` names the certificate {id}, which is not known here"
            )))
        })?;
        let stored = self.engine.store().issued_for(&certificate.id).await;
        let reserved = |hold| Reserved {
            predecessor: certificate.id.clone(),
            written: written.to_owned(),
            hold,
        };
        let Some(issued) = stored.map_err(EngineError::from)? else {
            return Ok(reserved(Hold::Never));
        };
        if asked.account != Some(issued.account) {
            return Err(Failed::Check(Refusal {
                status: StatusCode::FORBIDDEN,
                kind: "unauthorized",
                detail: format!("`replaces` names the certificate {id}, which another account has"),
            }));
        }
        let names = order.names.each_hash(&self.engine.hash_key());
        if !issued.shares_a_name(&names) {
            return Err(Failed::Check(Refusal::malformed(format!(
                "`replaces` names the certificate {id}, which has no name in common with the order"
            ))));
        }
        let hold = self.reserve(&certificate, asked.now, verified).await?;
        Ok(reserved(hold))
    }

    /// Reserves the place, unless an order that may still succeed holds it.
    async fn reserve(
        &self,
        certificate: &Certificate,
        now: Timestamp,
        verified: bool,
    ) -> Result<Hold, Failed> {
        let until = now + RESERVED_SECONDS;
        let token = Successor::Order(format!(
            "{RESERVATION}{}:{:016x}",
            until.unix(),
            rand::random::<u64>()
        ));
        let id = &certificate.id;
        // Use the stored row: it may have been replaced a moment ago.
        let present = match &certificate.successor {
            Some(present) => present.clone(),
            // An unverified request must not block others.
            None if !verified => return Ok(Hold::NotYet),
            None => match self.engine.succeed(id, &token).await? {
                Succession::Set | Succession::Same => return Ok(Hold::Token(token)),
                Succession::Other(other) => other,
                // Removed a moment ago.
                Succession::Unknown => return Ok(Hold::Never),
            },
        };
        if !self.is_free(id, &present, now).await? {
            return Err(taken(id));
        }
        // Nor may it take the place from its holder, because the upstream has not checked it yet.
        if !verified {
            return Ok(Hold::NotYet);
        }
        if self.engine.resucceed(id, &present, Some(&token)).await? {
            Ok(Hold::Token(token))
        } else {
            Err(taken(id))
        }
    }

    /// Whether a successor can be displaced: an expired reservation, the claim of an order that can
    /// no longer succeed, or a certificate that became the successor only by its names.
    async fn is_free(
        &self,
        id: &CertId,
        successor: &Successor,
        now: Timestamp,
    ) -> Result<bool, EngineError> {
        let store = self.engine.store();
        match successor {
            Successor::Order(text) => {
                if let Some(rest) = text.strip_prefix(RESERVATION) {
                    let until = rest.split(':').next().and_then(|until| until.parse().ok());
                    return Ok(until.is_some_and(|until: i64| until < now.unix()));
                }
                let claim = store.claim_on(id).await?;
                let expired = |claim: &Claim| claim.expires_at.is_some_and(|at| at < now);
                Ok(text.starts_with(ORDER) && claim.as_ref().is_some_and(expired))
            }
            Successor::By(by) => {
                let seen_here = store.issued_for(by).await?.is_some();
                Ok(seen_here && store.claim_on(id).await?.is_none())
            }
        }
    }

    /// Turns a reservation into a claim, after the upstream has accepted the order. `None` if it is
    /// not claimed.
    pub(super) async fn claim(
        &self,
        reserved: &Reserved,
        url: u128,
        order: &Order,
        now: Timestamp,
        store: &StoreTime,
    ) -> Option<Arc<Claim>> {
        let claim = Claim {
            order: url,
            replaces: reserved.written.clone(),
            predecessor: reserved.predecessor.clone(),
            expires_at: Some(order.expires.unwrap_or(now + USUAL_LIFE_SECONDS)),
        };
        let claiming = self.try_claim(reserved, &claim, order, now);
        let Some(claimed) = store.ask_of_replaces(claiming).await else {
            tracing::warn!(
                event = "replaces_unclaimed",
                gateway = self.config.name,
                error = LATE
            );
            return None;
        };
        match claimed {
            Ok(taken) => {
                let claim = taken.then(|| Arc::new(claim));
                self.claims.insert(url, claim.clone());
                claim
            }
            Err(error) => {
                tracing::warn!(event = "replaces_unclaimed", gateway = self.config.name, %error);
                None
            }
        }
    }

    async fn try_claim(
        &self,
        reserved: &Reserved,
        claim: &Claim,
        order: &Order,
        now: Timestamp,
    ) -> Result<bool, EngineError> {
        let (id, url) = (&reserved.predecessor, claim.order);
        let present = match &reserved.hold {
            Hold::NotYet => self.free_successor(id, now).await?,
            Hold::Never | Hold::Token(_) => None,
        };
        // First, so that no place is taken by an order that could not be found again.
        let urls = self.urls_of(url, order);
        self.engine.store().claim(claim, &urls, now).await?;
        let successor = order_successor(url);
        let taken = match &reserved.hold {
            Hold::Never => true,
            Hold::NotYet => match &present {
                Some(present) => {
                    let successor = Some(&successor);
                    self.engine.resucceed(id, present, successor).await?
                }
                None => self.engine.succeed(id, &successor).await? == Succession::Set,
            },
            Hold::Token(token) => self.engine.resucceed(id, token, Some(&successor)).await?,
        };
        if !taken {
            self.engine.store().drop_claim(url).await?;
        }
        Ok(taken)
    }

    /// The present successor of a certificate, if it can be displaced.
    async fn free_successor(
        &self,
        id: &CertId,
        now: Timestamp,
    ) -> Result<Option<Successor>, EngineError> {
        let certificate = self.engine.certificate(id).await?;
        let Some(present) = certificate.and_then(|certificate| certificate.successor) else {
            return Ok(None);
        };
        let is_free = self.is_free(id, &present, now).await?;
        Ok(is_free.then_some(present))
    }

    /// Releases a reserved place: the upstream did not accept the order, or the result is unknown.
    pub(super) fn release(self: &Arc<Self>, reserved: Reserved) {
        let Hold::Token(token) = reserved.hold else {
            return;
        };
        let engine = Arc::clone(&self.engine);
        self.engine.background().spawn(async move {
            // If the store is unavailable, the reservation expires by itself.
            let _ = engine.resucceed(&reserved.predecessor, &token, None).await;
        });
    }
}

/// RFC 9773 section 5: the only rejection whose type clients evaluate.
fn taken(id: &CertId) -> Failed {
    Failed::Check(Refusal {
        status: StatusCode::CONFLICT,
        kind: "alreadyReplaced",
        detail: format!("`replaces` names the certificate {id}, which another order replaces"),
    })
}

//! `replaces` (RFC 9773 section 5): checked and reserved before an order is passed on, claimed when
//! the upstream has accepted it, echoed in every answer about it, and freed if it fails.

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

/// How long a place is reserved for an order that the upstream is asked for: longer than it may take to
/// answer, `upstream_timeout` at its most. A process that ends meanwhile leaves it to run out.
const RESERVED_SECONDS: i64 = 6 * MINUTE;

/// How long an order is taken to be able to succeed that does not say when it expires: a week, as ACME
/// servers give at most.
const USUAL_LIFE_SECONDS: i64 = 7 * DAY;

/// What stands before the instant until which a reservation holds, in the text that a certificate's
/// successor is.
const RESERVATION: &str = "gateway-reservation:";

/// What is to be done about `replaces`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Nothing: there is none, or it cannot be checked or held, and is not reflected.
    Nothing,
    /// It passed the checks: claimed once the upstream has taken the order.
    Replace(Reserved),
    /// The order does not go on.
    Refuse(Refusal),
}

/// Why an order that names a certificate may not replace it.
enum Failed {
    /// A check of the request.
    Check(Refusal),
    /// The store.
    Store(EngineError),
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self::Store(error)
    }
}

impl Gateway {
    /// Checks what a new order replaces and, where the request is verified, reserves its place.
    pub(super) async fn check_replaces(
        &self,
        asked: &Asked,
        order: &NewOrderPayload,
        verified: bool,
    ) -> Verdict {
        let Some(written) = &order.replaces else {
            return Verdict::Nothing;
        };
        // The upstream has told whoever asks which certificates are to be replaced, and checks that itself.
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

    /// Reserves the place, where nobody has it whose order may still succeed.
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
        // As stored: it may have been replaced a moment ago.
        let present = match &certificate.successor {
            Some(present) => present.clone(),
            // What nobody has verified may not keep others from it.
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
        // Nor may it take a place from whoever has it: the upstream has not seen it yet.
        if !verified {
            return Ok(Hold::NotYet);
        }
        if self.engine.resucceed(id, &present, Some(&token)).await? {
            Ok(Hold::Token(token))
        } else {
            Err(taken(id))
        }
    }

    /// Whether a successor stands in nobody's way: a reservation that has run out, a claim of an order
    /// that can no longer succeed, or a certificate that names alone made the successor of this one.
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

    /// The upstream has taken an order: it replaces what was reserved for it, and this is its claim;
    /// `None`: it does not.
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
        // First, so that no place is taken by an order that nobody could find again.
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

    /// The successor that has a certificate's place now, where it stands in nobody's way.
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

    /// Gives a reserved place up: the upstream did not take the order, or nobody knows.
    pub(super) fn release(self: &Arc<Self>, reserved: Reserved) {
        let Hold::Token(token) = reserved.hold else {
            return;
        };
        let engine = Arc::clone(&self.engine);
        self.engine.background().spawn(async move {
            // Where the store is away it runs out by itself.
            let _ = engine.resucceed(&reserved.predecessor, &token, None).await;
        });
    }
}

/// RFC 9773 section 5: the one refusal whose type clients look at.
fn taken(id: &CertId) -> Failed {
    Failed::Check(Refusal {
        status: StatusCode::CONFLICT,
        kind: "alreadyReplaced",
        detail: format!("`replaces` names the certificate {id}, which another order replaces"),
    })
}

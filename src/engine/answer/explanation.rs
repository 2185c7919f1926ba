//! Explains a certificate's window, by repeating the draw from stored data.

use serde_json::{Value, json};

use crate::domain::allocation::table::{ALGORITHM, Table};
use crate::domain::allocation::window::{for_tick, in_span};
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::hash::{Purpose, lower_unit, upper_unit};
use crate::domain::certificate::{Basis, Cause, Certificate};
use crate::domain::time::{DAY, Span, Timestamp};
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::engine::state::memory::Memory;

/// A repeated draw.
struct Derivation {
    /// The basis of the draw, as JSON.
    drawn_from: Value,
    /// The model version behind it.
    model_version: Value,
    /// `None` if the draw used an algorithm that this version does not know.
    window: Option<Span>,
}

impl Engine {
    /// Explains a certificate's window: the basis of the draw, and the window it gives when
    /// repeated. It is the JSON object of `GET /v1/certificates/{certid}`. `None` if there is no
    /// such certificate.
    ///
    /// # Errors
    /// [`EngineError::Store`]; [`EngineError::Corrupt`] if the stored table cannot be parsed.
    pub async fn explain(&self, id: &CertId) -> Result<Option<Value>, EngineError> {
        let Some(certificate) = self.certificate(id).await? else {
            return Ok(None);
        };
        let memory = self.memory();
        let hash = memory.salted_hash(Purpose::Window1, &certificate.id, certificate.cause.salt());
        let Derivation {
            drawn_from,
            model_version,
            window,
        } = self.derive(&certificate, hash).await?;
        let ca = memory
            .config
            .ca_of(&certificate.id.key_identifier)
            .map(|at| memory.config.cas[at].name.as_str());
        let now = self.now();
        Ok(Some(json!({
            "certId": certificate.id,
            "ca": ca,
            "notBefore": certificate.validity.not_before,
            "notAfter": certificate.validity.not_after,
            "issuedAt": certificate.issued_at,
            "registeredAt": certificate.registered_at,
            "suggestedWindow": start_end(certificate.window),
            "windowOpen": certificate.window.contains(now),
            "renewalDue": renewal_due(&certificate, now),
            "replacedBy": certificate.successor,
            "cause": cause(&memory, certificate.cause),
            "modelVersion": model_version,
            "version": &*self.version(),
            "draw": {
                "hash": "SipHash-2-4-128 of the CertID under the store's key, purpose window 1",
                "slotDraw": upper_unit(hash),
                "secondDraw": lower_unit(hash),
            },
            "drawnFrom": drawn_from,
            "derivedWindow": window.map(start_end),
            "derivationMatches": window.map(|window| window == certificate.window),
        })))
    }

    async fn derive(
        &self,
        certificate: &Certificate,
        hash: u128,
    ) -> Result<Derivation, EngineError> {
        let not_after = certificate.validity.not_after;
        // The length follows from the lifetime; only the start was drawn.
        let window_seconds = certificate.window.seconds();
        let (drawn_from, window) = match certificate.basis {
            Basis::Plain(starts) => (
                json!({ "rule": "plain", "starts": from_to(starts) }),
                in_span(hash, starts, window_seconds, not_after),
            ),
            Basis::Span(starts) => (
                json!({ "rule": "span", "starts": from_to(starts) }),
                in_span(hash, starts, window_seconds, not_after),
            ),
            Basis::Tick(tick) => (
                json!({ "rule": "tick", "tick": tick }),
                for_tick(hash, tick, window_seconds, not_after),
            ),
            Basis::Table(number) => return self.derive_from_table(certificate, number, hash).await,
        };
        Ok(Derivation {
            drawn_from,
            model_version: Value::Null,
            window: Some(window),
        })
    }

    async fn derive_from_table(
        &self,
        certificate: &Certificate,
        number: i64,
        hash: u128,
    ) -> Result<Derivation, EngineError> {
        let stored = self.table(number).await?;
        let model_version = stored["modelVersion"].clone();
        let table = match stored["algorithm"].as_u64() {
            Some(version) if version == u64::from(ALGORITHM) => {
                serde_json::from_value::<Table>(stored.clone()).map_err(|error| corrupt(&error))?
            }
            _ => {
                return Ok(Derivation {
                    drawn_from: json!({
                        "rule": "table", "tableNumber": number, "table": stored,
                        "detail": "drawn by an algorithm that this version does not know",
                    }),
                    model_version,
                    window: None,
                });
            }
        };
        let (slot, span) = table.draw(hash);
        Ok(Derivation {
            drawn_from: json!({
                "rule": "table", "tableNumber": number, "slot": slot, "slotSpan": from_to(span),
                "table": stored,
            }),
            model_version,
            window: Some(table.window(hash, certificate.validity.not_after)),
        })
    }

    async fn table(&self, number: i64) -> Result<Value, EngineError> {
        let bytes = self.store().table(number).await?;
        let bytes = bytes.ok_or_else(|| corrupt(&format!("number {number} is not there")))?;
        serde_json::from_slice(&bytes).map_err(|error| corrupt(&error))
    }
}

fn corrupt(detail: &dyn ToString) -> EngineError {
    EngineError::Corrupt {
        what: "table",
        detail: detail.to_string(),
    }
}

/// Whether the renewal is due: from 24 hours before the window's start until it is replaced or
/// expired. Most clients wake once or twice a day and may renew that early.
fn renewal_due(certificate: &Certificate, now: Timestamp) -> bool {
    certificate.successor.is_none()
        && now >= certificate.window.from - DAY
        && now <= certificate.validity.not_after
}

/// What caused the draw.
fn cause(memory: &Memory, cause: Cause) -> Value {
    match cause {
        Cause::Registration => json!({ "event": "registration" }),
        Cause::Rebalance(number) => json!({ "event": "rebalance", "number": number }),
        Cause::Incident(number) => match memory.incidents().get(&number) {
            Some(incident) => json!({
                "event": "incident", "number": number, "kind": incident.kind,
                "name": incident.name, "state": incident.state,
                "explanationURL": incident.explanation_url,
            }),
            None => json!({ "event": "incident", "number": number }),
        },
    }
}

fn start_end(window: Span) -> Value {
    json!({ "start": window.from, "end": window.to })
}

fn from_to(span: Span) -> Value {
    json!({ "from": span.from, "to": span.to })
}

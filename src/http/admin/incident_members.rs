//! Reads the members of a request about an incident one by one, so that an error can name the
//! member.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::moves::amendment::Amendment;
use crate::domain::moves::incident::{Incident, Kind};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::Intent;
use crate::wire::problem::Problem;

/// An incident to draft, or only to preview.
pub(in crate::http) fn draft(body: &[u8], now: Timestamp) -> Result<(Incident, Intent), Problem> {
    let mut members = Members::read(body)?;
    let kind: Kind = members.required("kind")?;
    let ca: String = members.required("ca")?;
    let ca: CaName = ca
        .parse()
        .map_err(|error| Problem::malformed(format!("`ca` {error}")))?;
    let name: String = members.required("name")?;
    let intent = members.intent()?;
    let rest = members.rest()?;
    members.finish()?;
    let incident = rest.applied_to(&Incident::draft(kind, ca, name, now));
    Ok((incident, intent))
}

/// A change of an incident, or only a preview of it.
pub(in crate::http) fn amendment(body: &[u8]) -> Result<(Amendment, Intent), Problem> {
    let mut members = Members::read(body)?;
    let name = members.value("name")?;
    let state = members.value("state")?;
    let intent = members.intent()?;
    let amendment = Amendment {
        name,
        state,
        ..members.rest()?
    };
    members.finish()?;
    Ok((amendment, intent))
}

/// The members not read yet, and the names of those that were requested.
struct Members {
    left: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Members {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(left)) => Ok(Self {
                left,
                known: Vec::new(),
            }),
            Ok(_) => Err(Problem::malformed("the body is no JSON object")),
            Err(error) => Err(Problem::malformed(format!("the body is no JSON: {error}"))),
        }
    }

    /// The members that both kinds of request have.
    fn rest(&mut self) -> Result<Amendment, Problem> {
        Ok(Amendment {
            from: self.optional("from")?,
            to: self.optional("to")?,
            cron: self.optional("cron")?,
            time_zone: self.optional("timeZone")?,
            renew_by: self.optional("renewBy")?,
            explanation_url: self.optional("explanationURL")?,
            urgent: self.value("urgent")?,
            budget_per_hour: self.optional("budgetPerHour")?,
            over_budget: self.value("overBudget")?,
            note: self.optional("note")?,
            estimated_end: self.optional("estimatedEnd")?,
            ..Amendment::default()
        })
    }

    fn intent(&mut self) -> Result<Intent, Problem> {
        Ok(match self.value("dryRun")? {
            Some(true) => Intent::DryRun,
            Some(false) | None => Intent::InEarnest,
        })
    }

    fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, Problem> {
        self.value(name)?
            .ok_or_else(|| Problem::malformed(format!("`{name}` is missing")))
    }

    /// An optional member that must not be null.
    fn value<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, Problem> {
        match self.optional(name)? {
            Some(None) => Err(Problem::malformed(format!("`{name}` is null"))),
            Some(Some(value)) => Ok(Some(value)),
            None => Ok(None),
        }
    }

    /// An optional member; if `T` is an option, null clears it.
    fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, Problem> {
        self.known.push(name);
        let Some(value) = self.left.remove(name) else {
            return Ok(None);
        };
        serde_json::from_value(value)
            .map(Some)
            .map_err(|error| Problem::malformed(format!("`{name}` cannot be read: {error}")))
    }

    fn finish(self) -> Result<(), Problem> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(unknown) => {
                let shown: String = unknown.chars().take(64).collect();
                let known = self.known.join(", ");
                let detail = format!("{shown:?} is unknown; known here: {known}");
                Err(Problem::malformed(detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moves::incident::State;

    const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);

    #[test]
    fn a_draft_is_read_member_by_member() {
        let body =
            br#"{"kind":"revocation","ca":"example","name":"keys","renewBy":"2026-11-22T10:00:00Z",
            "explanationURL":"https://ca.example/keys","budgetPerHour":5000,"dryRun":true}"#;
        let (incident, intent) = draft(body, NOW).unwrap();
        assert_eq!(intent, Intent::DryRun);
        assert_eq!(
            (incident.kind, incident.state),
            (Kind::Revocation, State::Draft)
        );
        assert_eq!(incident.renew_by, Some(Timestamp::from_unix(1_795_341_600)));
        assert_eq!(incident.budget_per_hour, Some(5_000.0));
        let (amendment, intent) =
            amendment(br#"{"state":"partial","note":"half","estimatedEnd":null}"#).unwrap();
        assert_eq!(intent, Intent::InEarnest);
        assert_eq!(amendment.state, Some(State::Partial));
        assert_eq!(amendment.note, Some(Some("half".to_owned())));
        assert_eq!((amendment.estimated_end, amendment.to), (Some(None), None));
    }

    #[test]
    fn an_error_names_the_member() {
        for (body, want) in [
            ("", "no JSON"),
            ("[]", "no JSON object"),
            ("{}", "`kind` is missing"),
            (
                r#"{"kind":"war"}"#,
                "`kind` cannot be read: unknown variant",
            ),
            (r#"{"kind":"drill"}"#, "`ca` is missing"),
            (r#"{"kind":"drill","ca":"A"}"#, "is no CA name"),
            (r#"{"kind":"drill","ca":"a"}"#, "`name` is missing"),
            (r#"{"kind":"drill","ca":"a","name":null}"#, "`name` is null"),
            (
                r#"{"kind":"drill","ca":"a","name":"b","renewBy":"soon"}"#,
                "`renewBy` cannot be read",
            ),
            (
                r#"{"kind":"drill","ca":"a","name":"b","renewby":1}"#,
                "is unknown; known here: kind, ca",
            ),
            (
                r#"{"kind":"drill","ca":"a","name":"b","urgent":"yes"}"#,
                "`urgent` cannot be read",
            ),
        ] {
            let problem = format!("{:?}", draft(body.as_bytes(), NOW).unwrap_err());
            assert!(problem.contains(want), "{body}: {problem}");
        }
        let problem = format!("{:?}", amendment(br#"{"kind":"drill"}"#).unwrap_err());
        assert!(problem.contains("\\\"kind\\\" is unknown"), "{problem}");
    }
}

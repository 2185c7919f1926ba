//! The sources for which a token may submit observations.

use std::fmt;
use std::str::FromStr;

use super::observation::{Observation, Source};

/// The sources for which a token may submit observations; without a list, all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permission(Option<Vec<Voice>>);

/// A source, or one vantage of it: `ca`, `observer:oslo`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Voice {
    source: Source,
    vantage: Option<String>,
}

/// Who submits observations.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reporter {
    /// The sources for which this reporter may submit.
    pub permission: Permission,
    /// The name by which its reports are kept apart, such as `token:oslo`, whatever vantage they name.
    /// `None` for commands that run at the server.
    pub known_as: Option<String>,
}

impl Reporter {
    /// The reporter with the token of this name.
    #[must_use]
    pub fn with_token(name: &str, permission: Permission) -> Self {
        Self {
            permission,
            known_as: Some(format!("token:{name}")),
        }
    }
}

impl Permission {
    /// For these sources only.
    #[must_use]
    pub const fn to(voices: Vec<Voice>) -> Self {
        Self(Some(voices))
    }

    /// Whether certificates may be registered or marked as replaced: by the CA, and by reporters that
    /// fill the registry.
    #[must_use]
    pub fn may_register(&self) -> bool {
        let meant = |voice: &Voice| {
            matches!(voice.source, Source::Ca | Source::Registrations) && voice.vantage.is_none()
        };
        self.0
            .as_ref()
            .is_none_or(|voices| voices.iter().any(meant))
    }

    /// Why an observation may not be submitted; `None` if it may.
    #[must_use]
    pub fn refusal(&self, observation: &Observation) -> Option<String> {
        let voices = self.0.as_ref()?;
        let meant = |voice: &Voice| {
            voice.source == observation.source
                && (voice.vantage.is_none() || voice.vantage == observation.vantage)
        };
        if voices.iter().any(meant) {
            return None;
        }
        let names: Vec<String> = voices.iter().map(ToString::to_string).collect();
        let vantage = observation.vantage.as_deref();
        let vantage = vantage.map_or_else(String::new, |vantage| format!(" of {vantage:?}"));
        Some(format!(
            "the token may not speak for the source {}{vantage}, only for {}",
            observation.source,
            names.join(", ")
        ))
    }
}

impl FromStr for Voice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (source, vantage) = match text.split_once(':') {
            Some((_, "")) => return Err(format!("{text:?} names no vantage behind its colon")),
            Some((source, vantage)) => (source, Some(vantage.to_owned())),
            None => (text, None),
        };
        let source = source
            .parse()
            .map_err(|error: super::observation::UnknownName| error.to_string())?;
        Ok(Self { source, vantage })
    }
}

impl fmt::Display for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.vantage {
            Some(vantage) => write!(f, "{}:{vantage}", self.source),
            None => write!(f, "{}", self.source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::observation::Kind;
    use super::*;
    use crate::time::Timestamp;

    fn observation(source: Source, vantage: Option<&str>) -> Observation {
        Observation {
            vantage: vantage.map(str::to_owned),
            ..Observation::plain(Timestamp::from_unix(0), source, Kind::Attempt, 1)
        }
    }

    #[test]
    fn a_list_permits_what_it_names_and_no_list_anything() {
        let oslo = observation(Source::Observer, Some("oslo"));
        let ca = observation(Source::Ca, None);
        assert_eq!(Permission::default().refusal(&ca), None);
        let bound = Permission::to(vec!["observer:oslo".parse().unwrap()]);
        assert_eq!(bound.refusal(&oslo), None);
        for other in [
            &ca,
            &observation(Source::Observer, None),
            &observation(Source::Observer, Some("rome")),
        ] {
            assert!(
                bound
                    .refusal(other)
                    .unwrap()
                    .contains("only for observer:oslo")
            );
        }
        let all = Permission::to(vec!["observer".parse().unwrap(), "log".parse().unwrap()]);
        assert_eq!(all.refusal(&oslo), None);
        assert!(all.refusal(&ca).is_some());
        assert!(!bound.may_register() && !all.may_register());
        for whole in ["ca", "registrations"] {
            assert!(Permission::to(vec![whole.parse().unwrap()]).may_register());
            let part = vec![format!("{whole}:part").parse().unwrap()];
            assert!(!Permission::to(part).may_register());
        }
        assert!(Permission::default().may_register());
        for wrong in ["", "observers", "observer:"] {
            assert!(wrong.parse::<Voice>().is_err(), "{wrong}");
        }
    }
}

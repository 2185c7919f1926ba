//! A CA's limits as data: a file with its date and source, built in or supplied.

use serde::{Deserialize, Serialize};

use super::bucket::Rule;

/// Let's Encrypt's limits. Where its page rounds a refill time ("one each 202 minutes"), the
/// rounded one is used, because it is slower.
const LETS_ENCRYPT: &str = include_str!("letsencrypt.json");

/// The most limits in a catalogue; each is checked for every certificate.
const MOST_LIMITS: usize = 32;

/// The limits of one CA on one date.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Catalogue {
    /// Its name.
    pub name: String,
    /// The date of the data, `YYYY-MM-DD`.
    pub as_of: String,
    /// The source of the data.
    pub source: String,
    /// Whether orders that name the certificate they replace (RFC 9773 section 5) are exempt from
    /// all `limits`. `requests` applies to all orders.
    #[serde(default)]
    pub ari_renewals_are_exempt: bool,
    /// Limits on issuance.
    #[serde(default)]
    pub limits: Vec<Limit>,
    /// Limits on requests, per address.
    #[serde(default)]
    pub requests: Vec<Requests>,
}

/// A count that is refilled one at a time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Limit {
    /// Its name for people.
    pub name: String,
    /// What the limit is counted for.
    pub scope: Scope,
    /// The highest number at once.
    pub count: u32,
    /// The span that the CA states, in seconds.
    #[serde(default)]
    pub per_seconds: Option<i64>,
    /// Seconds to refill one. Default: `perSeconds / count`, rounded up.
    #[serde(default)]
    pub refill_seconds: Option<i64>,
}

/// A limit on requests per second to one endpoint.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Requests {
    /// The endpoint's name in RFC 8555 section 7.1.1 or RFC 9773, in kebab case.
    pub name: String,
    /// Requests per second.
    pub per_second: u32,
    /// The highest number at once.
    pub burst: u32,
}

/// What a limit is counted for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// An account; each order counts.
    Account,
    /// An address; each new account counts. A plan creates none.
    AccountsOfAddress,
    /// An identifier and account; consecutive failures count. A plan cannot know them.
    ConsecutiveFailures,
    /// A set of names.
    ExactSet,
    /// An identifier and account. It counts failures; a plan assumes that every order may fail.
    Identifier,
    /// An account; pending authorizations or orders count. Only older catalogues have it.
    Pending,
    /// A domain directly below a public suffix.
    RegisteredDomain,
}

/// The text is not a valid catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It is not JSON of this form.
    #[error("it is no catalogue of limits: {0}")]
    Json(#[from] serde_json::Error),
    /// A number is invalid.
    #[error("limits[{at}] ({name}): {reason}")]
    Limit {
        /// The index of the limit.
        at: usize,
        /// Its name.
        name: String,
        /// The reason.
        reason: &'static str,
    },
    /// There are too many limits.
    #[error("it has {0} limits, {MOST_LIMITS} are the most")]
    Many(usize),
    /// There is no built-in catalogue with this name.
    #[error("{0:?} is neither \"letsencrypt\" nor \"none\"")]
    Name(String),
}

impl Catalogue {
    /// A built-in catalogue: `letsencrypt`, or `none`, which limits nothing.
    ///
    /// # Errors
    /// [`CatalogueError::Name`].
    pub fn named(name: &str) -> Result<Self, CatalogueError> {
        match name {
            "letsencrypt" => Self::parse(LETS_ENCRYPT.as_bytes()),
            "none" => Ok(Self {
                name: "none".to_owned(),
                as_of: String::new(),
                source: String::new(),
                ari_renewals_are_exempt: false,
                limits: Vec::new(),
                requests: Vec::new(),
            }),
            other => Err(CatalogueError::Name(other.to_owned())),
        }
    }

    /// Parses the JSON of a catalogue.
    ///
    /// # Errors
    /// [`CatalogueError`] if it is invalid, or one of its limits can never be kept.
    pub fn parse(json: &[u8]) -> Result<Self, CatalogueError> {
        serde_json::from_slice::<Self>(json)?.checked()
    }

    /// Checks the numbers of the catalogue.
    ///
    /// # Errors
    /// [`CatalogueError::Limit`] and [`CatalogueError::Many`].
    pub fn checked(self) -> Result<Self, CatalogueError> {
        let count = self.limits.len() + self.requests.len();
        if count > MOST_LIMITS {
            return Err(CatalogueError::Many(count));
        }
        for (at, limit) in self.limits.iter().enumerate() {
            let wrong = |reason| CatalogueError::Limit {
                at,
                name: limit.name.clone(),
                reason,
            };
            if limit.count == 0 {
                return Err(wrong("count has to be 1 or more"));
            }
            let spans = [limit.per_seconds, limit.refill_seconds];
            if spans.into_iter().flatten().any(|seconds| seconds < 1) {
                return Err(wrong("perSeconds and refillSeconds have to be 1 or more"));
            }
            if limit.scope.is_refilled() && spans == [None, None] {
                return Err(wrong("perSeconds is missing"));
            }
        }
        if let Some(requests) = self
            .requests
            .iter()
            .find(|r| r.per_second == 0 || r.burst == 0)
        {
            return Err(CatalogueError::Limit {
                at: 0,
                name: requests.name.clone(),
                reason: "perSecond and burst have to be 1 or more",
            });
        }
        Ok(self)
    }

    /// The bucket of each limit that a plan observes, with its index in `limits`.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (usize, Scope, Rule)> {
        let planned = |limit: &&Limit| limit.scope.is_planned();
        let all = self.limits.iter().enumerate();
        all.filter(move |(_, limit)| planned(limit))
            .map(|(at, limit)| (at, limit.scope, limit.rule()))
    }

    /// The bucket for all new orders of an address.
    pub(super) fn new_orders(&self) -> Option<Rule> {
        let requests = self.requests.iter().find(|r| r.name == "new-order")?;
        Some(Rule::per_second(requests.per_second, requests.burst))
    }

    /// The limit of pending orders or authorizations, if there is one.
    pub(super) fn pending(&self) -> Option<u32> {
        let pending = |limit: &&Limit| limit.scope == Scope::Pending;
        let most = self.limits.iter().filter(pending);
        most.map(|limit| limit.count).min()
    }
}

impl Limit {
    fn rule(&self) -> Rule {
        let per_count = |per: i64| (per + i64::from(self.count) - 1) / i64::from(self.count);
        let refill = self
            .refill_seconds
            .or_else(|| self.per_seconds.map(per_count));
        Rule::each_seconds(self.count, refill.unwrap_or(1))
    }
}

impl Scope {
    const fn is_planned(self) -> bool {
        matches!(
            self,
            Self::Account | Self::ExactSet | Self::Identifier | Self::RegisteredDomain
        )
    }

    const fn is_refilled(self) -> bool {
        self.is_planned() || matches!(self, Self::AccountsOfAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_catalogue_has_its_date_its_source_and_the_numbers_of_its_page() {
        let known = Catalogue::named("letsencrypt").unwrap();
        assert_eq!(known.as_of, "2026-08-05");
        assert!(known.source.starts_with("https://letsencrypt.org/"));
        assert!(known.ari_renewals_are_exempt);
        let (hours, days) = (3_600, 86_400);
        let limits: Vec<_> = known
            .limits
            .iter()
            .map(|l| (l.scope, l.count, l.per_seconds, l.refill_seconds))
            .collect();
        // The refill time of the exact set is 7 d / 5; those of failures and accounts are 1 h / 5
        // and 3 h / 10.
        assert_eq!(
            limits,
            [
                (Scope::Account, 300, Some(3 * hours), Some(36)),
                (Scope::RegisteredDomain, 50, Some(7 * days), Some(202 * 60)),
                (Scope::ExactSet, 5, Some(7 * days), Some(34 * hours)),
                (Scope::Identifier, 5, Some(hours), Some(12 * 60)),
                (Scope::ConsecutiveFailures, 1_152, None, None),
                (Scope::AccountsOfAddress, 10, Some(3 * hours), Some(18 * 60)),
            ]
        );
        // This limit is no longer in the catalogue.
        assert_eq!(known.pending(), None);
        let requests: Vec<_> = known
            .requests
            .iter()
            .map(|r| (r.name.as_str(), r.per_second, r.burst))
            .collect();
        assert_eq!(
            requests,
            [
                ("new-order", 300, 200),
                ("renewal-info", 1_000, 100),
                ("new-nonce", 20, 10),
                ("directory", 40, 40)
            ]
        );
    }

    #[test]
    fn a_catalogue_that_cannot_be_is_refused_by_its_field() {
        let with = |limit: &str| {
            let json =
                format!(r#"{{"name":"x","asOf":"2018-01-01","source":"-","limits":[{limit}]}}"#);
            Catalogue::parse(json.as_bytes()).map_err(|error| error.to_string())
        };
        for (limit, reason) in [
            (
                r#"{"name":"a","scope":"account","count":0,"perSeconds":1}"#,
                "count",
            ),
            (
                r#"{"name":"a","scope":"account","count":1}"#,
                "perSeconds is missing",
            ),
            (r#"{"name":"a","scope":"moon","count":1}"#, "moon"),
            (
                r#"{"name":"a","scope":"account","count":1,"perHour":1}"#,
                "perHour",
            ),
            (
                r#"{"name":"a","scope":"account","count":1,"perSeconds":-1}"#,
                "1 or more",
            ),
        ] {
            let error = with(limit).unwrap_err();
            assert!(error.contains(reason), "{limit}: {error}");
        }
        let old = with(r#"{"name":"pending authorizations","scope":"pending","count":300}"#);
        assert_eq!(old.unwrap().pending(), Some(300));
        assert!(Catalogue::named("zerossl").is_err());
    }
}

//! Incidents as shown by the page, the status and the feed.

use std::ops::Deref;

use serde::Serialize;

use crate::moves::incident::{Incident, Kind, State};
use crate::time::{DAY, HOUR, Timestamp};

/// An open incident without news for this long is due for an update: the hour that operators of
/// status pages commonly promise.
pub const UPDATE_WITHIN_SECONDS: i64 = HOUR;
/// How long a closed incident is still shown.
const TOLD_AFTER_SECONDS: i64 = 7 * DAY;
/// The most incidents shown.
const MOST_TOLD: usize = 20;

/// An incident as published.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicIncident {
    /// Its number.
    pub id: i64,
    /// The CA that it is about.
    pub ca: String,
    /// Its name.
    pub name: String,
    /// `revocation`, `outage`, `maintenance` or `drill`.
    pub kind: Kind,
    /// `open`, `partial` or `closed`.
    pub state: State,
    /// The start of the closed time …
    pub from: Option<Timestamp>,
    /// … and its end.
    pub to: Option<Timestamp>,
    /// The deadline for replacing affected certificates.
    pub renew_by: Option<Timestamp>,
    /// When it was opened.
    pub opened_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The expected end.
    pub estimated_end: Option<Timestamp>,
    /// When readers should get an update; `None` if it is over or has not begun.
    pub update_due: Option<Timestamp>,
    /// The operator's note.
    pub note: Option<String>,
    /// A page for subscribers.
    #[serde(rename = "explanationURL")]
    pub explanation_url: Option<String>,
}

impl PublicIncident {
    /// An incident that is in force, or was until recently; `None` for any other.
    #[must_use]
    pub fn of(incident: &Incident, now: Timestamp) -> Option<Self> {
        let lately = incident
            .closed_at
            .is_some_and(|closed| now - closed < TOLD_AFTER_SECONDS);
        if incident.state == State::Draft || !(incident.is_active() || lately) {
            return None;
        }
        Some(Self::from(incident))
    }

    /// The published incidents, latest change first.
    pub fn all<'a>(incidents: impl IntoIterator<Item = &'a Incident>, now: Timestamp) -> Vec<Self> {
        let mut public: Vec<Self> = incidents
            .into_iter()
            .filter_map(|incident| Self::of(incident, now))
            .collect();
        public.sort_by_key(|one| (one.state == State::Closed, -one.updated_at.unix(), one.id));
        public.truncate(MOST_TOLD);
        public
    }

    /// Whether it is in force.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Partial)
    }

    /// The incident as of this moment.
    #[must_use]
    pub const fn at(&self, now: Timestamp) -> PublicIncidentAt<'_> {
        PublicIncidentAt {
            incident: self,
            now,
        }
    }

    /// Its kind, in words for subscribers.
    #[must_use]
    pub const fn kind_words(&self) -> &'static str {
        match self.kind {
            Kind::Drill => "drill, nothing is revoked",
            Kind::Maintenance => "maintenance",
            Kind::Outage => "outage",
            Kind::Revocation => "revocation",
        }
    }
}

/// An incident at a moment. One that closes the CA later is announced.
#[derive(Clone, Copy, Debug)]
pub struct PublicIncidentAt<'a> {
    incident: &'a PublicIncident,
    now: Timestamp,
}

impl PublicIncidentAt<'_> {
    /// When the CA will be closed, if that is in the future.
    #[must_use]
    pub fn announced_for(&self) -> Option<Timestamp> {
        let closes = matches!(self.kind, Kind::Maintenance | Kind::Outage) && self.is_open();
        self.from.filter(|from| closes && *from > self.now)
    }

    /// The CSS class: `open`, `announced`, or empty if it is over.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match (self.is_open(), self.announced_for()) {
            (true, Some(_)) => "announced",
            (true, None) => "open",
            (false, _) => "",
        }
    }

    /// Its state, in words for subscribers.
    #[must_use]
    pub fn state_words(&self) -> &'static str {
        match self.state {
            _ if self.announced_for().is_some() => "announced",
            State::Draft => "in preparation",
            State::Open => "open",
            State::Partial => "partly over",
            State::Closed => "over",
        }
    }
}

impl Deref for PublicIncidentAt<'_> {
    type Target = PublicIncident;

    fn deref(&self) -> &PublicIncident {
        self.incident
    }
}

impl From<&Incident> for PublicIncident {
    fn from(incident: &Incident) -> Self {
        Self {
            id: incident.id,
            ca: incident.ca.to_string(),
            name: incident.name.clone(),
            kind: incident.kind,
            state: incident.state,
            from: incident.from,
            to: incident.to,
            renew_by: incident.renew_by,
            opened_at: incident.opened_at,
            updated_at: incident.updated_at,
            estimated_end: incident.estimated_end,
            update_due: update_due(incident),
            note: incident.note.clone(),
            explanation_url: incident.explanation_url.clone(),
        }
    }
}

/// For an outage: an hour after its last change or its start, or at its announced end, whichever
/// comes first. For other kinds: when they should have been over. A recurring one needs no update.
fn update_due(incident: &Incident) -> Option<Timestamp> {
    if !incident.is_active() || incident.cron.is_some() {
        return None;
    }
    let changed = incident.updated_at;
    match incident.kind {
        Kind::Drill | Kind::Revocation => incident.renew_by,
        Kind::Maintenance => incident.to,
        Kind::Outage => {
            let begun = incident.from.unwrap_or(changed);
            let owed = changed.max(begun) + UPDATE_WITHIN_SECONDS;
            let announced = incident.estimated_end.filter(|end| *end > changed);
            Some(announced.map_or(owed, |end| owed.min(end)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ca::CaName;

    const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);

    fn outage(state: State) -> Incident {
        let name = "upstream is away".to_owned();
        Incident {
            state,
            ..Incident::draft(Kind::Outage, CaName::default(), name, NOW)
        }
    }

    #[test]
    fn an_open_incident_owes_an_update_within_the_hour_or_at_its_estimated_end() {
        let mut open = outage(State::Open);
        assert_eq!(update_due(&open), Some(NOW + HOUR));
        open.estimated_end = Some(NOW + 600);
        assert_eq!(update_due(&open), Some(NOW + 600));
        // Announced for later: no update is due before it has begun.
        open.estimated_end = None;
        open.from = Some(NOW + 3 * DAY);
        assert_eq!(update_due(&open), Some(NOW + 3 * DAY + HOUR));
        assert_eq!(update_due(&outage(State::Closed)), None);
        open.kind = Kind::Maintenance;
        open.to = Some(NOW + 4 * DAY);
        assert_eq!(update_due(&open), open.to);
    }

    #[test]
    fn maintenance_ahead_is_announced_and_opens_when_it_begins() {
        let mut incident = outage(State::Open);
        incident.kind = Kind::Maintenance;
        (incident.from, incident.to) = (Some(NOW + HOUR), Some(NOW + 2 * HOUR));
        let public = PublicIncident::from(&incident);
        let words = |now| (public.at(now).state_words(), public.at(now).class());
        assert_eq!(words(NOW), ("announced", "announced"));
        assert_eq!(words(NOW + HOUR), ("open", "open"));
        incident.state = State::Closed;
        let public = PublicIncident::from(&incident);
        assert_eq!(
            (public.at(NOW).state_words(), public.at(NOW).class()),
            ("over", "")
        );
        // A revocation begins when it is opened.
        incident.state = State::Open;
        incident.kind = Kind::Revocation;
        assert_eq!(
            PublicIncident::from(&incident).at(NOW).state_words(),
            "open"
        );
    }

    #[test]
    fn drafts_are_never_published_and_closed_ones_for_a_week() {
        assert!(PublicIncident::of(&outage(State::Draft), NOW).is_none());
        let mut closed = outage(State::Closed);
        closed.closed_at = Some(NOW);
        assert!(PublicIncident::of(&closed, NOW + 6 * DAY).is_some());
        assert!(PublicIncident::of(&closed, NOW + 8 * DAY).is_none());
        let public = PublicIncident::all([&closed, &outage(State::Open)], NOW);
        assert_eq!(
            public
                .iter()
                .map(PublicIncident::is_open)
                .collect::<Vec<_>>(),
            [true, false]
        );
    }
}

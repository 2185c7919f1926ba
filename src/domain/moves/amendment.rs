//! A requested change of an incident.

use super::incident::{Incident, State};
use crate::time::Timestamp;

/// The requested changes. `None` leaves a field as it is; `Some(None)` clears it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amendment {
    /// The name.
    pub name: Option<String>,
    /// The start of the closed time …
    pub from: Option<Option<Timestamp>>,
    /// … and its end.
    pub to: Option<Option<Timestamp>>,
    /// The cron pattern of a recurring closure.
    pub cron: Option<Option<String>>,
    /// The time zone of `cron`.
    pub time_zone: Option<Option<String>>,
    /// The deadline.
    pub renew_by: Option<Option<Timestamp>>,
    /// A page for subscribers.
    pub explanation_url: Option<Option<String>>,
    /// Whether to move all clients at once.
    pub urgent: Option<bool>,
    /// At most this many certificates an hour.
    pub budget_per_hour: Option<Option<f64>>,
    /// Whether the deadline takes priority over the budget.
    pub over_budget: Option<bool>,
    /// The operator's note.
    pub note: Option<Option<String>>,
    /// The expected end.
    pub estimated_end: Option<Option<Timestamp>>,
    /// The new state.
    pub state: Option<State>,
}

impl Amendment {
    /// Whether only the state changes.
    #[must_use]
    pub fn to_state(state: State) -> Self {
        Self {
            state: Some(state),
            ..Self::default()
        }
    }

    /// The incident with these changes, except for the state, which has rules of its own.
    #[must_use]
    pub fn applied_to(&self, incident: &Incident) -> Incident {
        let mut changed = incident.clone();
        set(&mut changed.name, self.name.as_ref());
        set(&mut changed.from, self.from.as_ref());
        set(&mut changed.to, self.to.as_ref());
        set(&mut changed.cron, self.cron.as_ref());
        set(&mut changed.time_zone, self.time_zone.as_ref());
        set(&mut changed.renew_by, self.renew_by.as_ref());
        set(&mut changed.explanation_url, self.explanation_url.as_ref());
        set(&mut changed.urgent, self.urgent.as_ref());
        set(&mut changed.budget_per_hour, self.budget_per_hour.as_ref());
        set(&mut changed.over_budget, self.over_budget.as_ref());
        set(&mut changed.note, self.note.as_ref());
        set(&mut changed.estimated_end, self.estimated_end.as_ref());
        changed
    }
}

fn set<T: Clone>(field: &mut T, to: Option<&T>) {
    if let Some(to) = to {
        field.clone_from(to);
    }
}

/// Whether two versions of an incident send windows to different places.
#[must_use]
pub fn moves_otherwise(before: &Incident, after: &Incident) -> bool {
    let what = |incident: &Incident| {
        (
            (incident.from, incident.to, incident.renew_by),
            (incident.cron.clone(), incident.time_zone.clone()),
            (incident.urgent, incident.over_budget),
            incident.budget_per_hour,
        )
    };
    what(before) != what(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moves::incident::Kind;
    use crate::policy::ca::CaName;

    fn incident() -> Incident {
        let at = Timestamp::from_unix(1_795_255_200);
        Incident {
            id: 1,
            from: Some(at),
            to: Some(at + 60),
            ..Incident::draft(Kind::Outage, CaName::default(), "away".to_owned(), at)
        }
    }

    #[test]
    fn what_is_not_named_stays_and_what_is_emptied_is_empty() {
        let before = incident();
        assert_eq!(Amendment::default().applied_to(&before), before);
        let amendment = Amendment {
            note: Some(Some("half of it is back".to_owned())),
            to: Some(None),
            state: Some(State::Partial),
            ..Amendment::default()
        };
        let after = amendment.applied_to(&before);
        assert_eq!(after.note.as_deref(), Some("half of it is back"));
        assert_eq!((after.from, after.to), (before.from, None));
        assert_eq!(after.state, State::Draft, "states have rules of their own");
    }

    #[test]
    fn words_move_no_window() {
        let before = incident();
        let mut after = before.clone();
        after.name = "gone".to_owned();
        after.note = Some("x".to_owned());
        after.estimated_end = before.to;
        assert!(!moves_otherwise(&before, &after));
        after.to = None;
        assert!(moves_otherwise(&before, &after));
    }
}

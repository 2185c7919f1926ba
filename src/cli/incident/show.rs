//! Shows incidents as text.

use std::fmt::Write as _;

use crate::domain::client::reach::Unreached;
use crate::domain::moves::incident::{HourLoad, Incident, Kind, State};
use crate::engine::{Foreseen, Intent, Progress};

/// Two days, hour by hour, fit on a screen. A longer plan is marked as such.
const MOST_HOURS: usize = 48;

/// An incident on one line.
pub(super) fn line(progress: &Progress) -> String {
    let Incident {
        id,
        ca,
        name,
        affected,
        moved,
        ..
    } = &progress.incident;
    let (kind, state) = words(&progress.incident);
    format!(
        "{id}  {kind} of {ca}  {state}  {affected} affected, {moved} moved, {} polled since, {} \
         replaced  {name:?}",
        progress.polled_since, progress.replaced
    )
}

/// An incident with all details.
pub(super) fn page(progress: &Progress) -> String {
    let incident = &progress.incident;
    let mut page = line(progress) + "\n";
    let times = [
        ("from", incident.from),
        ("to", incident.to),
        ("renew by", incident.renew_by),
        ("estimated end", incident.estimated_end),
        ("opened", incident.opened_at),
        ("closed", incident.closed_at),
    ];
    for (what, time) in times {
        if let Some(time) = time {
            entry(&mut page, what, &time);
        }
    }
    if let Some(cron) = &incident.cron {
        let zone = incident.time_zone.as_deref().unwrap_or("UTC");
        entry(&mut page, "cron", &format!("{cron} ({zone})"));
    }
    if let Some(budget) = incident.budget_per_hour {
        entry(&mut page, "budget", &format!("{budget:.0} an hour"));
    }
    if let Some(url) = &incident.explanation_url {
        entry(&mut page, "explanation", url);
    }
    if let Some(note) = &incident.note {
        entry(&mut page, "note", note);
    }
    for step in &incident.steps {
        let _ = writeln!(page, "  {}  {}", step.at, step.what);
    }
    page
}

/// The plan: what moves and the resulting load by hour, without hours to which nothing moves.
pub(super) fn plan(foreseen: &Foreseen, intent: Intent) -> String {
    let moves = match intent {
        Intent::DryRun => "would move",
        Intent::InEarnest => "to move",
    };
    let Foreseen {
        to_move,
        stays,
        unreached: Unreached { too_late, silent },
        hours,
    } = foreseen;
    let mut text = format!("{to_move} windows {moves}, {stays} stay\n");
    let _ = writeln!(
        text,
        "{too_late} clients cannot learn of it before their window closes; {silent} have not polled \
         recently, or never"
    );
    let moving: Vec<&HourLoad> = hours.iter().filter(|hour| hour.moved > 0.0).collect();
    if moving.is_empty() {
        return text;
    }
    let _ = writeln!(
        text,
        "{:20}  {:>12}  {:>12}  {:>12}  {:>12}",
        "hour", "normal", "returning", "moved", "together"
    );
    let row = |hour: &HourLoad| {
        format!(
            "{:20}  {:>12.0}  {:>12.0}  {:>12.0}  {:>12.0}\n",
            hour.from.to_string(),
            hour.normal,
            hour.returning,
            hour.moved,
            hour.normal + hour.returning + hour.moved
        )
    };
    text.extend(moving.iter().take(MOST_HOURS).copied().map(row));
    if let Some(more) = moving.get(MOST_HOURS..).filter(|more| !more.is_empty()) {
        let rest: f64 = more.iter().map(|hour| hour.moved).sum();
        let _ = writeln!(
            text,
            "and {rest:.0} more in {} hours after that",
            more.len()
        );
    }
    text
}

fn entry(page: &mut String, what: &str, value: &dyn std::fmt::Display) {
    let _ = writeln!(page, "  {what:13}  {value}");
}

const fn words(incident: &Incident) -> (&'static str, &'static str) {
    let kind = match incident.kind {
        Kind::Drill => "drill",
        Kind::Maintenance => "maintenance",
        Kind::Outage => "outage",
        Kind::Revocation => "revocation",
    };
    let state = match incident.state {
        State::Draft => "draft",
        State::Open => "open",
        State::Partial => "partial",
        State::Closed => "closed",
    };
    (kind, state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::{HOUR, Timestamp};

    #[test]
    fn a_plan_shows_the_hours_to_which_something_moves() {
        let from = Timestamp::from_unix(1_795_255_200);
        let hours = (0..100).map(|n| HourLoad {
            from: from + n * HOUR,
            normal: 7.0,
            returning: 0.0,
            moved: if n == 90 || n == 92 { 30.0 } else { 0.0 },
            capacity: 1.0,
            budget: None,
        });
        let foreseen = Foreseen {
            to_move: 60,
            stays: 5,
            unreached: Unreached {
                too_late: 3,
                silent: 2,
            },
            hours: hours.collect(),
        };
        let printed_plan = plan(&foreseen, Intent::DryRun);
        let lines: Vec<&str> = printed_plan.lines().collect();
        assert_eq!(lines.len(), 5, "{printed_plan}");
        assert_eq!(lines[0], "60 windows would move, 5 stay");
        assert!(
            lines[1].starts_with("3 clients cannot learn of it"),
            "{printed_plan}"
        );
        assert!(
            lines[3].starts_with(&(from + 90 * HOUR).to_string()),
            "{printed_plan}"
        );
        assert!(
            lines[4].starts_with(&(from + 92 * HOUR).to_string()),
            "{printed_plan}"
        );
    }
}

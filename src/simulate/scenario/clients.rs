//! `[[client]]`: the clients, and when they wake.

use toml::de::DeValue;

use super::checks::check_sum;
use super::events::clock;
use super::{Client, ClientKind, Phase, Ticks};
use crate::config::error::Problems;
use crate::config::hint::did_you_mean;
use crate::config::section::Section;
use crate::config::{duration, value};
use crate::domain::time::{DAY, HOUR, MINUTE};

/// Caddy checks every ten minutes, counted from its start.
const CADDY: Ticks = Ticks::Fixed {
    every_seconds: 10 * MINUTE,
    at: Vec::new(),
    grain_seconds: 1,
    delay_seconds: 0,
};
/// `mod_md` checks every 12 h ± 50 %.
const MOD_MD: Ticks = Ticks::Wandering {
    least_seconds: 6 * HOUR,
    most_seconds: 18 * HOUR,
};

impl ClientKind {
    /// All kinds, with their names in scenarios.
    const NAMED: [(&'static str, Self); 8] = [
        ("cron-next-tick", Self::CronNextTick),
        ("cron-redraw", Self::CronRedraw),
        ("exact", Self::Exact),
        ("mod-md", Self::ModMd),
        ("never-succeeds", Self::NeverSucceeds),
        ("no-ari", Self::NoAri),
        ("start-of-window", Self::StartOfWindow),
        ("ticking", Self::Ticking),
    ];

    /// Its name in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}

/// All clients; if there are none, that is a problem.
pub(super) fn read(root: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<Client> {
    let mut clients: Vec<Client> = Vec::new();
    for mut section in root.sections("client", problems) {
        if let Some(client) = client(&mut section, problems) {
            if clients.iter().any(|other| other.name == client.name) {
                let reason = format!("{:?} is the name of another client too", client.name);
                section.fault("name", problems, reason);
            }
            clients.push(client);
        }
        section.finish(problems);
    }
    if !root.has("client") {
        root.fault("client", problems, "there is no client: write [[client]]");
    }
    check_sum(root, "client", clients.iter().map(|c| c.share), problems);
    clients
}

fn client(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Client> {
    let name = section.require("name", problems, |v| value::text(v).map(str::to_owned));
    let share = section.require("share", problems, value::share);
    let kind = section.require("kind", problems, kind);
    let replaces = section.read("replaces", problems, value::switch);
    let honours = section.read("honours_retry_after", problems, value::switch);
    let source = section.read("source", problems, |v| value::text(v).map(str::to_owned));
    let ticks = section.section("ticks", problems).and_then(|mut section| {
        let ticks = ticks(&mut section, problems);
        section.finish(problems);
        ticks
    });
    let kind = kind?;
    Some(Client {
        name: name?,
        share: share.unwrap_or_default(),
        kind,
        replaces: replaces.unwrap_or_default(),
        honours_retry_after: honours.unwrap_or_default(),
        ticks: ticks_of(kind, ticks, section, problems),
        source: source.unwrap_or_default(),
    })
}

/// The ticks of a kind: some kinds have none, some have fixed ones, and others need `ticks`.
fn ticks_of(
    kind: ClientKind,
    configured: Option<Ticks>,
    section: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Option<Ticks> {
    match kind {
        ClientKind::NoAri => configured,
        ClientKind::Exact => {
            if section.has("ticks") {
                let reason = "an exact client runs all the time: it has no ticks";
                section.fault("ticks", problems, reason);
            }
            None
        }
        ClientKind::ModMd => configured.or(Some(MOD_MD)),
        ClientKind::Ticking => configured.or(Some(CADDY)),
        ClientKind::CronNextTick
        | ClientKind::CronRedraw
        | ClientKind::NeverSucceeds
        | ClientKind::StartOfWindow => {
            if !section.has("ticks") {
                let reason = format!("is missing: a {} client wakes at ticks", kind.name());
                section.fault("ticks", problems, reason);
            }
            configured
        }
    }
}

fn kind(value: &DeValue<'_>) -> Result<ClientKind, String> {
    let text = value::text(value)?;
    let names = ClientKind::NAMED.map(|(name, _)| name);
    ClientKind::NAMED
        .into_iter()
        .find(|(name, _)| *name == text)
        .map(|(_, kind)| kind)
        .ok_or_else(|| {
            let hint = did_you_mean(text, names);
            format!("{text:?} is none of {}{hint}", names.join(", "))
        })
}

fn ticks(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Ticks> {
    let every_seconds = section.read("every", problems, every);
    let wandering = ["least", "most"].map(|key| section.has(key));
    if wandering.contains(&true) {
        if section.has("every") {
            section.fault("every", problems, "is given together with least or most");
        }
        return wandering_ticks(section, problems);
    }
    if !section.has("every") {
        section.fault("", problems, "says not when: give every, or least and most");
    }
    if let Some(up_to_seconds) = section.read("random", problems, |v| value::duration(v, 1..=DAY)) {
        return Some(Ticks::Random {
            every_seconds: every_seconds?,
            up_to_seconds,
        });
    }
    let every_seconds = every_seconds?;
    let at = phases(section, every_seconds, problems);
    let grain_seconds = section.read("grain", problems, |v| {
        let grain = value::duration(v, 1..=every_seconds)?;
        if every_seconds % grain == 0 {
            Ok(grain)
        } else {
            let every = duration::in_words(every_seconds);
            Err(format!(
                "{} does not divide {every}",
                duration::in_words(grain)
            ))
        }
    });
    let delay_seconds = section.read("delay", problems, |v| value::duration(v, 0..=every_seconds));
    Some(Ticks::Fixed {
        every_seconds,
        at,
        grain_seconds: grain_seconds.unwrap_or(MINUTE),
        delay_seconds: delay_seconds.unwrap_or_default(),
    })
}

fn wandering_ticks(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Ticks> {
    let bounds = MINUTE..=30 * DAY;
    let least = section.require("least", problems, |v| value::duration(v, bounds.clone()));
    let most = section.require("most", problems, |v| value::duration(v, bounds.clone()));
    let (least_seconds, most_seconds) = (least?, most?);
    if least_seconds > most_seconds {
        section.fault("most", problems, "is less than least");
    }
    Some(Ticks::Wandering {
        least_seconds,
        most_seconds,
    })
}

fn every(value: &DeValue<'_>) -> Result<i64, String> {
    let seconds = value::duration(value, MINUTE..=DAY)?;
    if DAY % seconds == 0 {
        Ok(seconds)
    } else {
        Err(format!(
            "{} does not divide a day",
            duration::in_words(seconds)
        ))
    }
}

fn phases(
    section: &mut Section<'_>,
    every_seconds: i64,
    problems: &mut Problems<'_>,
) -> Vec<Phase> {
    let mut phases = Vec::new();
    for mut phase in section.sections("at", problems) {
        let second = phase.require("time", problems, |v| {
            let second = clock(v)?;
            if second < every_seconds {
                Ok(second)
            } else {
                let every = duration::in_words(every_seconds);
                Err(format!("is not in the period, which ends after {every}"))
            }
        });
        let share = phase.require("share", problems, value::share);
        phase.finish(problems);
        if let (Some(second), Some(share)) = (second, share) {
            phases.push(Phase { second, share });
        }
    }
    let sum: f64 = phases.iter().map(|phase| phase.share).sum();
    if sum > 1.0 + 1e-9 {
        let reason = format!("the shares sum to {sum:.3}, more than 1");
        section.fault("at", problems, reason);
    }
    phases
}

//! How soon and how reliably known clients are recognised by their polls.

use super::{Schedule, Tick};
use crate::client::schedule::record::Polls;
use crate::math::number::{real, whole};
use crate::time::{DAY, HOUR, MINUTE, Timestamp};

/// A deterministic random generator (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `most`.
    pub(super) fn below(&mut self, most: i64) -> i64 {
        i64::try_from(self.next() % most.unsigned_abs()).unwrap()
    }

    fn happens(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }
}

/// The default `Retry-After`, in seconds.
const BASE: i64 = 6 * HOUR;
/// 2026-11-21T00:00:00Z.
const MIDNIGHT: Timestamp = Timestamp::from_unix(1_795_219_200);

/// When a client wakes.
#[derive(Clone, Copy, Debug)]
enum Wakes {
    /// At ticks every `period` seconds, after a sleep of up to `sleep`.
    Ticks { period: i64, sleep: i64 },
    /// Once in every `period` seconds, at a random second of the first `first`.
    Within { period: i64, first: i64 },
    /// This long after its last run, ± 50 %.
    About(i64),
    /// At the second that `Retry-After` named.
    Asked,
}

/// Whether a client honours `Retry-After`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RetryAfter {
    Honoured,
    Ignored,
}

struct Client {
    name: &'static str,
    wakes: Wakes,
    retry_after: RetryAfter,
    want: Schedule,
    /// The minimum percentage recognised after 2, 7 and 30 days.
    recognised: [i64; 3],
    /// The maximum percentage taken for something else.
    mistaken: [i64; 3],
}

const ANY: Tick = Tick(0);

const fn cron(name: &'static str, period: i64, sleep: i64, retry_after: RetryAfter) -> Client {
    let want = match period {
        DAY => Schedule::Daily { tick: ANY },
        43_200 => Schedule::TwiceDaily { tick: ANY },
        21_600 => Schedule::SixHourly { tick: ANY },
        HOUR => Schedule::Hourly { tick: ANY },
        _ => Schedule::TenMinutely { tick: ANY },
    };
    Client {
        name,
        wakes: Wakes::Ticks { period, sleep },
        retry_after,
        want,
        recognised: [50, 85, 95],
        // A client that honours `Retry-After` has polled about seven times after two days.
        mistaken: [30, 12, 5],
    }
}

fn clients() -> Vec<Client> {
    use RetryAfter::{Honoured, Ignored};
    let other = |name, wakes, retry_after, want| Client {
        name,
        wakes,
        retry_after,
        want,
        recognised: [0, 75, 95],
        mistaken: [10, 5, 5],
    };
    let half_day = Wakes::Within {
        period: 12 * HOUR,
        first: 12 * HOUR,
    };
    let morning = Wakes::Within {
        period: DAY,
        first: 4 * HOUR,
    };
    vec![
        cron("acme.sh, Posh-ACME: daily", DAY, 20, Ignored),
        cron("lego: daily + up to 8 min", DAY, 8 * MINUTE, Ignored),
        cron("certbot: cron at 0 and 12", 12 * HOUR, 20, Honoured),
        cron("uacme: every 6 h", 6 * HOUR, 20, Ignored),
        cron("certbot: every 6 h", 6 * HOUR, 20, Honoured),
        cron("uacme: hourly", HOUR, 20, Ignored),
        cron("certbot: hourly", HOUR, 20, Honoured),
        cron("Caddy", 10 * MINUTE, 2, Honoured),
        other(
            "cert-manager, nginx-acme",
            Wakes::Asked,
            Honoured,
            Schedule::Steered,
        ),
        other(
            "certbot: Debian's timer",
            half_day,
            Honoured,
            Schedule::Random,
        ),
        other("mod_md", Wakes::About(12 * HOUR), Ignored, Schedule::Random),
        other(
            "simple-acme: 9:00 + 4 h",
            morning,
            Ignored,
            Schedule::Random,
        ),
    ]
}

/// All polls for one certificate over 30 days: those of its client, plus one by hand after
/// issuance, with one run in 30 missed, a reboot every 20 days, one run in 20 doubled, and a poll
/// by a stranger every week.
fn polls(client: &Client, dice: &mut Dice) -> Vec<Timestamp> {
    let issued = MIDNIGHT + dice.below(DAY);
    let end = issued + 30 * DAY;
    let mut polls = vec![issued];
    let mut phase = dice.below(DAY);
    let mut asked_at = issued;
    let mut woken = issued;
    while woken < end {
        let answered = asked_at + whole(real(BASE) * 0.8) + dice.below(BASE * 2 / 5);
        let ask_from = match client.retry_after {
            RetryAfter::Honoured => answered,
            RetryAfter::Ignored => woken + 1,
        };
        if dice.below(20 * DAY) < woken - asked_at.min(woken - BASE) {
            // A reboot: a daemon's ticks count from then, and it polls at once.
            if matches!(
                client.wakes,
                Wakes::Ticks { period: 600, .. } | Wakes::Asked
            ) {
                phase = dice.below(DAY);
                polls.push(woken + dice.below(BASE));
            }
        }
        woken = wakes(client.wakes, woken, ask_from, phase, dice);
        if dice.below(30) == 0 {
            continue;
        }
        polls.push(woken);
        asked_at = woken;
        if dice.happens(5) {
            polls.push(woken + 30 + dice.below(60));
        }
    }
    let mut stranger = issued + dice.below(7 * DAY);
    while stranger < end {
        polls.push(stranger);
        stranger = stranger + dice.below(14 * DAY);
    }
    polls.sort_unstable();
    polls.retain(|at| *at < end);
    polls
}

/// When a client that woke at `woken` next wakes and may poll.
fn wakes(
    how: Wakes,
    woken: Timestamp,
    ask_from: Timestamp,
    phase: i64,
    dice: &mut Dice,
) -> Timestamp {
    match how {
        Wakes::Ticks { period, sleep } => {
            // A run's sleep is shorter than a period; the next run belongs to the next tick.
            let after = ask_from.max(woken + period.min(10 * MINUTE) / 2);
            let to_tick = (phase - (after.second_of_day())).rem_euclid(period);
            after + to_tick + dice.below(sleep + 1)
        }
        Wakes::Within { period, first } => {
            let mut span = woken - woken.second_of_day() % period;
            loop {
                span = span + period;
                let at = span + (phase / period * period + dice.below(first)) % period;
                if at >= ask_from {
                    return at;
                }
            }
        }
        Wakes::About(seconds) => woken + seconds / 2 + dice.below(seconds),
        Wakes::Asked => ask_from + dice.below(5),
    }
}

/// The percentages of clients recognised and mistaken after 2, 7 and 30 days, and how often the
/// stored part of a record changed in 30 days.
fn recognition(client: &Client) -> ([i64; 3], [i64; 3], f64) {
    const MANY: i64 = 400;
    let mut dice = Dice::new(42);
    let (mut recognised, mut mistaken) = ([0; 3], [0; 3]);
    let mut changes = 0;
    for _ in 0..MANY {
        let polls = polls(client, &mut dice);
        let issued = polls[0];
        let mut record = Polls::default();
        let mut noted = record.meaning();
        let mut schedules = [Schedule::Unknown; 3];
        for at in polls {
            record = record.seen(at, BASE);
            if record.meaning().differs(noted) {
                noted = record.meaning();
                changes += 1;
            }
            for (days, schedule) in [2, 7, 30].into_iter().zip(&mut schedules) {
                if at <= issued + days * DAY {
                    *schedule = record.schedule();
                }
            }
        }
        for (at, schedule) in schedules.into_iter().enumerate() {
            if schedule.code() == client.want.code() {
                recognised[at] += 1;
            } else if schedule != Schedule::Unknown {
                mistaken[at] += 1;
            }
        }
    }
    let percent = |counts: [i64; 3]| counts.map(|count| (count * 100 + MANY / 2) / MANY);
    (
        percent(recognised),
        percent(mistaken),
        real(changes) / real(MANY),
    )
}

#[test]
fn clients_are_recognised_and_seldom_mistaken() {
    let mut wrong = Vec::new();
    for client in clients() {
        let (recognised, mistaken, changes) = recognition(&client);
        let line = format!(
            "{}: {recognised:?} recognised, {mistaken:?} mistaken, {changes:.1} changes",
            client.name
        );
        println!("{line}");
        let enough = recognised
            .iter()
            .zip(client.recognised)
            .all(|(got, want)| *got >= want);
        let few = mistaken
            .iter()
            .zip(client.mistaken)
            .all(|(got, want)| *got <= want);
        if !enough || !few {
            wrong.push(line);
        }
    }
    assert_eq!(wrong, [""; 0]);
}

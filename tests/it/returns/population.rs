//! Clients that come back, hour by hour, and what a server sees of them.

use offpeak::domain::certificate::life_class;
use offpeak::domain::certificate::own_rule_seconds;
use offpeak::domain::client::returns::{ClassHistory, History};
use offpeak::domain::time::{HOUR, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Hours in a day, and in a week.
pub(super) const DAY: usize = 24;

/// The base population's hours of the day, mean 1.
const HOURS: [f64; 24] = [
    1.795, 2.268, 1.417, 1.134, 1.039, 0.945, 0.945, 0.945, 0.992, 0.992, 0.945, 0.898, 1.228,
    0.945, 0.850, 0.850, 0.803, 0.756, 0.709, 0.661, 0.661, 0.661, 0.709, 0.850,
];
/// Its days of the week, from Monday on.
const DAYS: [f64; 7] = [0.949, 1.043, 1.037, 1.035, 0.997, 0.999, 0.913];
/// A Monday.
pub(super) const START: i64 = 1_790_553_600;

/// Clients of one kind.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Its part of the load.
    pub(super) share: f64,
    /// From which hour on its certificates live so many hours.
    pub(super) lives: Vec<(usize, i64)>,
    /// When those return that nobody steers, in hours after their own rule, and in which parts.
    pub(super) delays: Vec<(usize, f64)>,
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) struct Population {
    pub(super) groups: Vec<Group>,
    /// Certificates an hour.
    pub(super) volume: f64,
    /// The part of the clients that follow.
    pub(super) following: f64,
    /// The part that the server takes to follow.
    pub(super) taken_to_follow: f64,
    /// Whether the first generation comes evenly instead of by the hour.
    pub(super) level: bool,
    /// Hours with so many times the load.
    pub(super) burst: Option<(usize, usize, f64)>,
    /// New certificates, as a part of the load, in its shape.
    pub(super) new: f64,
    /// Hours without a count.
    pub(super) gaps: Vec<std::ops::Range<usize>>,
}

impl Population {
    /// 90-day certificates, of which nothing goes wrong; unsteered clients return so many hours
    /// after their own rule, half of them a day later.
    pub(super) fn new(following: f64, delay: usize) -> Self {
        Self {
            groups: vec![Group {
                share: 1.0,
                lives: vec![(0, 90 * 24)],
                delays: vec![(delay, 0.5), (delay + DAY, 0.5)],
            }],
            volume: 40_000.0,
            following,
            taken_to_follow: following,
            level: false,
            burst: None,
            new: 0.0,
            gaps: Vec::new(),
        }
    }

    /// What a server has seen after so many hours.
    pub(super) fn history(&self, hours: usize) -> History {
        let mut chance = Chance(StdRng::seed_from_u64(20_261_121));
        let mut history = History {
            from: Timestamp::from_unix(START),
            issued: vec![Some(0.0); hours],
            promised: vec![0.0; hours],
            classes: Vec::new(),
        };
        for group in &self.groups {
            self.live(group, &mut history, &mut chance);
        }
        for gap in &self.gaps {
            history.issued[gap.clone()].fill(None);
        }
        history
    }

    fn live(&self, group: &Group, history: &mut History, chance: &mut Chance) {
        let hours = history.issued.len();
        let first_generation = own_rule_hours(group.lives[0].1);
        let volume = self.volume * group.share;
        let mut returning = vec![0.0; hours];
        for hour in 0..hours {
            let shape = if self.level { 1.0 } else { shape(hour) };
            let burst = match self.burst {
                Some((from, to, times)) if (from..to).contains(&hour) => times,
                _ => 1.0,
            };
            let steered = if hour < first_generation {
                0.0
            } else {
                history.promised[hour] += volume * self.taken_to_follow;
                volume * self.following
            };
            let unbidden = if hour < first_generation {
                volume * shape * burst
            } else {
                volume * shape * (self.new + burst - 1.0)
            };
            let issued = chance.count(unbidden + steered) + returning[hour];
            *history.issued[hour].as_mut().unwrap() += issued;
            let life_hours = group
                .lives
                .iter()
                .rfind(|(from, _)| *from <= hour)
                .unwrap()
                .1;
            let class = class(history, life_hours);
            class.issued[hour] += issued;
            class.unsteered[hour] += (1.0 - self.taken_to_follow) * issued;
            let mut left = chance.part(issued, 1.0 - self.following);
            let mut parts = 1.0;
            for (delay, part) in &group.delays {
                let now = chance.part(left, part / parts);
                (left, parts) = (left - now, parts - part);
                if let Some(sum) = returning.get_mut(hour + own_rule_hours(life_hours) + delay) {
                    *sum += now;
                }
            }
        }
    }
}

fn own_rule_hours(life_hours: i64) -> usize {
    usize::try_from(own_rule_seconds(life_hours * HOUR) / HOUR).unwrap()
}

/// The load of an hour, as a part of the mean.
pub(super) fn shape(hour: usize) -> f64 {
    HOURS[hour % 24] * DAYS[hour / 24 % 7]
}

fn class(history: &mut History, life_hours: i64) -> &mut ClassHistory {
    let life_seconds = life_hours * HOUR;
    let same = |class: &ClassHistory| life_class(class.life_seconds) == life_class(life_seconds);
    let at = history.classes.iter().position(same).unwrap_or_else(|| {
        history.classes.push(ClassHistory {
            life_seconds,
            issued: vec![0.0; history.issued.len()],
            unsteered: vec![0.0; history.issued.len()],
        });
        history.classes.len() - 1
    });
    &mut history.classes[at]
}

/// The history up to an hour.
pub(super) fn until(history: &History, hour: usize) -> History {
    let classes = history.classes.iter().map(|class| ClassHistory {
        issued: class.issued[..hour].to_vec(),
        unsteered: class.unsteered[..hour].to_vec(),
        ..*class
    });
    History {
        from: history.from,
        issued: history.issued[..hour].to_vec(),
        promised: history.promised[..hour].to_vec(),
        classes: classes.collect(),
    }
}

/// Random counts.
struct Chance(StdRng);

impl Chance {
    /// The sum of twelve uniform numbers is near enough to normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.0.random::<f64>()).sum::<f64>() - 6.0
    }

    /// Poisson's, by the normal distribution.
    fn count(&mut self, mean: f64) -> f64 {
        (mean + mean.sqrt() * self.normal()).round().max(0.0)
    }

    /// How many of so many, each by chance.
    fn part(&mut self, of: f64, part: f64) -> f64 {
        let deviation = (of * part * (1.0 - part)).max(0.0).sqrt();
        (of * part + deviation * self.normal())
            .round()
            .clamp(0.0, of)
    }
}

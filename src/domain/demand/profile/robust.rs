//! A robust mean, which a single outlier does not move: Tukey's biweight around a weighted median.

/// A measured ratio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The ratio: 1 is as expected.
    pub(super) value: f64,
    /// Its weight.
    pub(super) weight: f64,
    /// How many events a ratio of 1 stands for; with fewer events, the ratio scatters more.
    pub(super) expected: f64,
}

/// A robust mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    /// The standard error of the mean.
    pub(super) error: f64,
    /// The effective number of samples: how many of equal weight would have the same precision.
    pub(super) samples: f64,
}

/// What is known before the samples are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prior {
    /// How far samples usually scatter, relative to their mean.
    pub(super) spread: f64,
    /// A likely mean, with the weight of half a new sample. It decides between two samples that
    /// contradict each other.
    pub(super) likely: Option<f64>,
}

/// A sample that is more than this many standard deviations away is ignored. With the usual constant,
/// the biweight has 95 % of the efficiency of the mean if there are no outliers.
const REACH: f64 = 4.685;

/// The standard deviation of a normal distribution, in units of its median absolute deviation.
const DEVIATION: f64 = 1.482_6;

/// The most steps of the biweight, which converges within a few …
const STEPS: usize = 10;
/// … and the relative change below which it has converged.
const SETTLED: f64 = 1e-12;

/// `None` if no sample has weight.
pub(super) fn estimate(samples: &[Sample], prior: Prior) -> Option<Estimate> {
    let likely = prior.likely.map(|value| (value, 0.5));
    let values: Vec<(f64, f64)> = samples
        .iter()
        .filter(|sample| sample.weight > 0.0 && sample.expected > 0.0)
        .map(|sample| (sample.value, sample.weight))
        .collect();
    // Only relative ages matter: the newest sample has weight 1.
    let heaviest = values.iter().map(|v| v.1).fold(0.0, f64::max);
    if heaviest <= 0.0 {
        return None;
    }
    let values = values.into_iter().map(|(v, weight)| (v, weight / heaviest));
    let values: Vec<(f64, f64)> = values.chain(likely).collect();
    let center = median(values.clone());
    let off = values.iter().map(|(v, w)| ((v - center).abs(), *w));
    let deviation = DEVIATION * median(off.collect());
    let scale = |sample: &Sample| {
        let chance = (center.max(1.0 / sample.expected) / sample.expected).sqrt();
        // At least a hundredth: in perfectly regular data, a small difference must not be an outlier.
        deviation
            .max(chance)
            .max(center * prior.spread)
            .max(center * 0.01)
    };
    // Samples that scatter more by chance weigh less: otherwise a few events would move the mean away
    // from many.
    let scales: Vec<f64> = samples.iter().map(scale).collect();
    let finest = scales.iter().copied().fold(f64::INFINITY, f64::min);
    let weighed: Vec<(&Sample, f64, f64)> = samples
        .iter()
        .zip(scales)
        .map(|(sample, scale)| (sample, scale, sample.weight * (finest / scale).powi(2)))
        .collect();
    let heaviest = weighed.iter().map(|one| one.2).fold(0.0, f64::max);
    let mut mean = center;
    for _ in 0..STEPS {
        let (sum, weight) = weighed
            .iter()
            .map(|(s, scale, weight)| (s.value, weight / heaviest * trust(s.value - mean, *scale)))
            .chain(likely)
            .fold((0.0, 0.0), |(sum, all), (v, w)| (sum + v * w, all + w));
        if weight <= 0.0 {
            break;
        }
        let before = std::mem::replace(&mut mean, sum / weight);
        if (mean - before).abs() <= SETTLED * mean.abs() {
            break;
        }
    }
    let trusted = weighed
        .iter()
        .map(|(s, scale, weight)| weight * trust(s.value - mean, *scale));
    finish(samples, prior.spread, trusted.collect())
}

/// How far samples scatter around the medians of their groups, relative to these: the median over all.
pub(super) fn usual_spread(groups: &[Vec<Sample>]) -> f64 {
    let mut all = Vec::new();
    for group in groups.iter().filter(|group| group.len() >= 2) {
        let center = middle(group.iter().map(|s| s.value).collect());
        if center > 0.0 {
            let size = count(group.len());
            let small = (size / (size - 1.0)).sqrt();
            all.extend(
                group
                    .iter()
                    .map(|s| small * (s.value - center).abs() / center),
            );
        }
    }
    DEVIATION * middle(all)
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(super) const fn count(n: usize) -> f64 {
    n as f64
}

/// The mean of the samples, each weighed by its distance. If none is near the median because the likely
/// mean moved it, the mean of all.
fn finish(samples: &[Sample], spread: f64, mut weights: Vec<f64>) -> Option<Estimate> {
    if weights.iter().sum::<f64>() <= 0.0 {
        weights = samples.iter().map(|s| s.weight).collect();
    }
    let total: f64 = weights.iter().sum();
    let of = |f: &dyn Fn(&Sample) -> f64| {
        let sum: f64 = samples.iter().zip(&weights).map(|(s, w)| f(s) * w).sum();
        sum / total
    };
    if total <= 0.0 {
        return None;
    }
    let mean = of(&|s| s.value);
    let samples_of_one_weight = total * total / weights.iter().map(|w| w * w).sum::<f64>();
    let own = of(&|s| (s.value - mean) * (s.value - mean));
    // Two samples that happen to agree are not more certain than others of their kind.
    let scatter = own.max((spread * mean) * (spread * mean));
    let chance = of(&|s| mean.max(1.0 / s.expected) / s.expected);
    let lost = (samples_of_one_weight - 1.0).max(1.0) / samples_of_one_weight;
    Some(Estimate {
        mean,
        error: ((scatter / lost).max(chance) / samples_of_one_weight).sqrt(),
        samples: samples_of_one_weight,
    })
}

fn trust(off: f64, scale: f64) -> f64 {
    let u = off / (REACH * scale);
    if u.abs() < 1.0 {
        (1.0 - u * u) * (1.0 - u * u)
    } else {
        0.0
    }
}

/// The weighted median: half of the weight is on each side. If that is the case between two values, it
/// is between them.
fn median(mut values: Vec<(f64, f64)>) -> f64 {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let half = values.iter().map(|v| v.1).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for (i, (value, weight)) in values.iter().enumerate() {
        below += weight;
        if below > half {
            return *value;
        }
        if below >= half {
            let next = values.get(i + 1).map_or(*value, |v| v.0);
            return f64::midpoint(*value, next);
        }
    }
    0.0
}

fn middle(values: Vec<f64>) -> f64 {
    median(values.into_iter().map(|value| (value, 1.0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Vec<Sample> {
        let sample = |(age, value): (usize, &f64)| Sample {
            value: *value,
            weight: 0.5_f64.powf(count(age) / 2.0),
            expected: 10_000.0,
        };
        values.iter().enumerate().map(sample).collect()
    }

    #[test]
    fn few_events_do_not_outvote_many() {
        let sample = |(age, (value, expected)): (i32, (f64, f64))| Sample {
            value,
            weight: 0.5_f64.powf(f64::from(age) / 14.0),
            expected,
        };
        // Four weeks of a log, after two weeks of a registry with two certificates an hour.
        let days = [(2.0, 2_000.0); 28].into_iter();
        let days = days.chain(
            [(0.0, 2.0), (1.0, 2.0), (0.5, 2.0)]
                .into_iter()
                .cycle()
                .take(15),
        );
        let found: Vec<Sample> = (0..).zip(days).map(sample).collect();
        let got = estimate(&found, Prior::default()).unwrap();
        assert!((got.mean - 2.0).abs() < 0.02, "{got:?}");
    }

    #[test]
    fn a_wild_value_counts_nothing_even_if_it_is_the_newest() {
        for wild in [0.0, 0.3, 3.0, 100.0] {
            let values = [wild, 1.01, 0.99, 1.0, 1.02];
            let got = estimate(&samples(&values), Prior::default()).unwrap();
            assert!((got.mean - 1.0).abs() < 0.02, "{wild}: {got:?}");
        }
    }

    #[test]
    fn a_likely_mean_settles_a_contradiction() {
        let prior = Prior {
            likely: Some(1.0),
            spread: 0.05,
        };
        let got = estimate(&samples(&[9.0, 1.1]), prior).unwrap();
        assert!((got.mean - 1.1).abs() < 0.01, "{got:?}");
    }

    #[test]
    fn what_has_come_to_stay_is_followed() {
        let values = [2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0];
        let got = estimate(&samples(&values), Prior::default()).unwrap();
        assert!((got.mean - 2.0).abs() < 0.01, "{got:?}");
    }

    #[test]
    fn few_events_are_not_wild() {
        let counts = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let rare: Vec<Sample> = counts
            .iter()
            .map(|events| Sample {
                value: events / 0.25,
                weight: 1.0,
                expected: 0.25,
            })
            .collect();
        let got = estimate(&rare, Prior::default()).unwrap();
        assert!((got.mean - 1.0).abs() < 0.25, "{got:?}");
    }

    #[test]
    fn no_samples_give_no_estimate() {
        assert!(estimate(&[], Prior::default()).is_none());
    }
}

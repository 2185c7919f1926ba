//! The map of the week for a terminal.

use std::fmt::Write as _;

use super::palette::{self, Paper};
use super::published::Published;
use super::sentence::Day;
use crate::time::Timestamp;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const HOURS: usize = 24;

/// The colours that a terminal supports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colours {
    /// No colours.
    None,
    /// 256 colours with a 6 × 6 × 6 cube.
    Cube,
    /// 24-bit colour.
    Full,
}

/// The map for a reader at `now`, with the sentence above it and a caption below. It is 76 columns
/// wide with colours, and 100 without.
#[must_use]
pub fn drawn(ranking: &Published, colours: Colours, now: Timestamp) -> String {
    let whose = ranking.ca.as_ref().map_or_else(
        || format!("all {} CAs together", ranking.environment),
        |ca| format!("{ca}, {}", ranking.environment),
    );
    let mut text = format!("{}\n\n", Day::of(ranking).words());
    let _ = writeln!(
        text,
        "Load of {whose} by hour of the week in UTC; 1.0 is the mean, ? unknown"
    );
    let width = if colours == Colours::None { 4 } else { 3 };
    text.push_str("    ");
    for hour in 0..HOURS {
        let _ = write!(text, "{:>width$}", format!("{hour:02}"));
    }
    text.push('\n');
    for (day, hours) in DAYS.iter().zip(ranking.week_by_hour().chunks(HOURS)) {
        let _ = write!(text, "{day} ");
        for load in hours {
            let shown = match load {
                None => "?".to_owned(),
                Some(load) if *load >= 9.95 => format!("{load:.0}"),
                Some(load) => format!("{load:.1}"),
            };
            let shown = format!("{shown:>width$}");
            text.push_str(&coloured(&shown, *load, colours));
        }
        text.push('\n');
    }
    let _ = write!(
        text,
        "\nQuietest: {}",
        or_none(&ranking.quietest.join(", "))
    );
    if let Some(peak) = &ranking.peak {
        let _ = write!(
            text,
            ". Peak: {} with {:.2} of the mean",
            peak.start, peak.coefficient
        );
    }
    let _ = writeln!(text, ".");
    for note in &ranking.notes {
        let _ = writeln!(text, "{} to {}: {}", note.from, note.to, note.text);
    }
    let (made, until) = (ranking.generated_at, ranking.valid_until);
    if now > until {
        let _ = writeln!(
            text,
            "Stale: it held until {until}, and its publisher has not renewed it."
        );
    } else {
        let _ = writeln!(text, "Made {made}, holds until {until}.");
    }
    text
}

fn or_none(text: &str) -> &str {
    if text.is_empty() {
        "none is known"
    } else {
        text
    }
}

fn coloured(text: &str, load: Option<f64>, colours: Colours) -> String {
    let Some(load) = load else {
        return text.to_owned();
    };
    let colour = palette::colour(palette::step(load), Paper::Light);
    let (paper, ink) = (colour.channels(), colour.ink().channels());
    let [a, b] = match colours {
        Colours::None => return text.to_owned(),
        Colours::Full => [paper, ink].map(|[r, g, b]| format!("2;{r};{g};{b}")),
        Colours::Cube => [paper, ink].map(|of| format!("5;{}", cube(of))),
    };
    format!("\x1b[48;{a};38;{b}m{text}\x1b[0m")
}

/// The nearest colour of the cube (16 to 231), whose steps are at 0, 95, 135, … 255.
fn cube(channels: [u8; 3]) -> u32 {
    let [red, green, blue] = channels.map(|channel| match channel {
        0..=47 => 0,
        48..=114 => 1,
        _ => (u32::from(channel) - 35) / 40,
    });
    16 + 36 * red + 6 * green + blue
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANKING: &[u8] = include_bytes!("../../../tests/it/golden/ranking-1.1.json");

    #[test]
    fn the_map_has_its_numbers_and_colours_change_nothing_else() {
        let ranking = Published::parse(RANKING).unwrap();
        let now = ranking.generated_at;
        let plain = drawn(&ranking, Colours::None, now);
        assert!(
            plain.contains("Load of example, production by hour"),
            "{plain}"
        );
        assert!(plain.contains("Mon  0.9 2.4 0.9"), "{plain}");
        assert!(
            plain.contains("Peak: 01:00 with 2.37 of the mean"),
            "{plain}"
        );
        assert!(plain.contains("migration of the validators"), "{plain}");
        assert!(!plain.contains('\x1b'));
        for colours in [Colours::Cube, Colours::Full] {
            let coloured = drawn(&ranking, colours, now);
            assert_eq!(coloured.matches("\x1b[0m").count(), 168);
            let without: String = coloured
                .split('\x1b')
                .enumerate()
                .map(|(n, piece)| match n {
                    0 => piece,
                    _ => piece.split_once('m').unwrap().1,
                })
                .collect();
            let words = |text: &str| text.lines().next().unwrap().to_owned();
            assert_eq!(words(&without), words(&plain));
            assert!(
                without.lines().all(|line| line.chars().count() <= 100),
                "{without}"
            );
            assert!(without.contains("Mon 0.92.40.9"), "{without}");
        }
        let later = drawn(&ranking, Colours::None, ranking.valid_until + 1);
        assert!(
            later.contains("Stale: it held until 2026-11-18T00:00:00Z"),
            "{later}"
        );
    }

    #[test]
    fn the_cube_s_corners_are_its_own() {
        assert_eq!([[0; 3], [255; 3], [95, 135, 175]].map(cube), [16, 231, 67]);
    }
}

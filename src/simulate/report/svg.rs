//! An outcome as a picture: the load over the whole run, a strip for each rule, and the average day of
//! the last cycle. It can be read on light and dark backgrounds, without telling colours apart, and by
//! screen readers. It contains no scripts, animations or references to other hosts.

use crate::outcome::Outcome;

mod day;
mod drawing;
mod scale;
mod strip;

use super::grouped;
use drawing::{Drawing, LEFT};

/// The most characters in a line of the title: at 13 pixels, 128 fit between the margins. A line is 15
/// pixels high.
const CHARACTERS: usize = 128;

/// The picture.
#[must_use]
pub fn to_svg(outcome: &Outcome) -> String {
    let mut drawing = Drawing::default();
    let words = wrapped(&outcome.description, CHARACTERS);
    let mut y = 34.0;
    drawing.text(
        "title",
        LEFT,
        y,
        &format!("Load under each rule: {}", outcome.scenario),
    );
    y += 24.0;
    for line in &words {
        drawing.text("soft", LEFT, y, line);
        y += 15.0;
    }
    drawing.text("soft", LEFT, y, &unit(outcome));
    y = strip::draw(outcome, &mut drawing, y + 30.0);
    y = day::draw(outcome, &mut drawing, y + 36.0);
    drawing.finish(outcome, y)
}

/// The meaning of 1 on the axes.
fn unit(outcome: &Outcome) -> String {
    let minutes = outcome.slot_seconds / 60;
    format!(
        "Load as a multiple (×) of the mean, which is {} certificates in each {minutes} minutes. Seed {}.",
        grouped(outcome.mean),
        outcome.seed
    )
}

/// Lines of at most `most` characters, broken between words.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("", 7), [""; 0]);
        assert_eq!(wrapped("unbreakable", 4), ["unbreakable"]);
    }
}

//! The elements of the picture, and its frame.

use std::fmt::Write as _;

use super::scale::Scale;
use crate::domain::math::number::real_len;
use crate::outcome::Outcome;
use crate::scenario::Rule;

/// The width in units of the view box, which are pixels at the natural size.
const WIDTH: f64 = 960.0;

pub(super) const LEFT: f64 = 52.0;

pub(super) const RIGHT: f64 = 848.0;

/// The colours differ in lightness, too, so that they can be text apart without red and green. Each has
/// a contrast of at least 4.5 with its background, because labels use them.
const STYLE: &str = "\
svg{--paper:#fff;--ink:#1c2128;--soft:#57606a;--line:#d0d7de;--none:#6e7781;--boulder:#b34700;--inverse:#98397a;--offpeak:#0059a8}\
@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--line:#30363d;--none:#9198a1;--boulder:#f0883e;--inverse:#e79bd0;--offpeak:#58b2ff}}\
text{font:12px system-ui,sans-serif;fill:var(--ink)}\
.title{font-size:20px;font-weight:600}\
.head{font-size:14px;font-weight:600}\
.soft{fill:var(--soft)}\
.paper{fill:var(--paper)}\
.grid{stroke:var(--line);fill:none}\
.floor{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:6 4;fill:none}\
.end{text-anchor:end}\
.middle{text-anchor:middle}\
.load,.busiest{fill:none;stroke-width:2}\
.busiest{stroke:var(--c);stroke-width:1.5}\
.cycle{stroke:var(--soft);stroke-dasharray:1 3;fill:none}\
.label{font-weight:600}\
.none{--c:var(--none)}.boulder{--c:var(--boulder)}.inverse{--c:var(--inverse)}.offpeak{--c:var(--offpeak)}\
.area{fill:var(--c);fill-opacity:.45}\
.load{stroke:var(--c)}\
.load.none{stroke-dasharray:2 3}.load.boulder{stroke-dasharray:9 3}.load.inverse{stroke-dasharray:9 3 2 3}.load.offpeak{stroke-width:3}\
.label{fill:var(--c)}";

/// The body of the picture while it is drawn.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    body: String,
}

impl Drawing {
    pub(super) fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.body, "{element}");
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let text = escaped(text);
        self.push(format_args!(
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#
        ));
    }

    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let data = path_data(points);
        self.push(format_args!(r#"<path class="{class}" d="{data}"/>"#));
    }

    /// A path of which only the part within the clip `clip` is visible.
    pub(super) fn clipped_path(&mut self, class: &str, points: &[(f64, f64)], clip: &str) {
        let data = path_data(points);
        self.push(format_args!(
            r#"<path class="{class}" clip-path="url(#{clip})" d="{data}"/>"#
        ));
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, &[from, to]);
    }

    /// The lines of a vertical axis with their labels.
    pub(super) fn axis(&mut self, scale: &Scale) {
        for (value, label) in scale.ticks() {
            let y = scale.at(value);
            self.line("grid", (LEFT, y), (RIGHT, y));
            self.text("soft end", LEFT - 8.0, y + 4.0, &label);
        }
    }

    /// The line of the floor, above everything drawn before.
    pub(super) fn floor(&mut self, scale: &Scale, floor: f64) {
        let y = scale.at(floor);
        self.line("floor", (LEFT, y), (RIGHT, y));
    }

    pub(super) fn finish(self, outcome: &Outcome, height: f64) -> String {
        let title = escaped(&format!("Load under each rule: {}", outcome.scenario));
        let text = escaped(&description(outcome));
        let body = self.body;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0} {height:.0}" role="img" aria-labelledby="title desc">
<title id="title">{title}</title>
<desc id="desc">{text}</desc>
<style>{STYLE}</style>
<rect class="paper" width="{WIDTH:.0}" height="{height:.0}"/>
{body}</svg>
"#
        )
    }
}

/// A description of the picture, for screen readers.
fn description(outcome: &Outcome) -> String {
    let mut text = format!(
        "{}. The floor, below which no rule can bring the peak, is {:.2} times the mean load.",
        outcome.description.trim_end_matches('.'),
        outcome.floor
    );
    for rule in &outcome.rules {
        let name = rule.rule.name();
        let peak = rule.peak_to_mean_all_days;
        let without = rule.peak_to_mean;
        let p99 = rule.p99_to_mean;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            " Under {name} the busiest slot stands at {peak:.2} ({without:.2} without the turns of the cycles), and 99 % of the slots at {p99:.2} or less."
        );
    }
    text
}

pub(super) const fn class_of(rule: Rule) -> &'static str {
    rule.name()
}

fn path_data(points: &[(f64, f64)]) -> String {
    let mut data = String::with_capacity(points.len() * 12);
    for (number, (x, y)) in points.iter().enumerate() {
        let command = if number == 0 { 'M' } else { 'L' };
        // Writing to a String cannot fail.
        let _ = write!(data, "{command}{x:.1} {y:.1}");
    }
    data
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 cannot contain them.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The mean of some loads, as a multiple of the mean load; 0 if there are none.
pub(super) fn mean_of(loads: &[f64], mean: f64) -> f64 {
    loads.iter().sum::<f64>() / real_len(loads.len().max(1)) / mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_xml_is_escaped() {
        assert_eq!(escaped("a<b>&\"c\"\u{7}"), "a&lt;b&gt;&amp;&quot;c&quot; ");
    }
}

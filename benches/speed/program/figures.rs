//! What was measured: medians of rounds, beside what was aimed at.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::catalogue::{named, rows};
use super::rows::{Part, Row};

/// Where the tables stand in the document, on lines of their own.
const BEGIN: &str = "<!-- tables: written by ./bench -->";
const END: &str = "<!-- end of tables -->";

/// The figures of a run.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// By row: a value a round.
    rounds: HashMap<&'static str, Vec<f64>>,
    /// What the index's own benchmark printed.
    extra: Vec<Extra>,
    notes: Vec<(Part, String)>,
}

/// A figure that is no row.
#[derive(Debug)]
struct Extra {
    name: String,
    value: f64,
    unit: String,
}

impl Figures {
    /// Takes a row's values, one a round.
    pub(super) fn put(&mut self, name: &'static str, values: &[f64]) -> anyhow::Result<()> {
        if named(name).is_none() {
            bail!("there is no row {name}");
        }
        self.rounds.insert(name, values.to_vec());
        Ok(())
    }

    /// Takes a row's values as ratios of two others', round by round: what slows a whole round
    /// down slows both.
    pub(super) fn put_ratios(
        &mut self,
        name: &'static str,
        ours: &[f64],
        theirs: &[f64],
    ) -> anyhow::Result<()> {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        self.put(name, &ratios)
    }

    /// Takes a line `name value unit` of the index's own benchmark: a row, or a figure more.
    pub(super) fn put_line(&mut self, line: &str) -> anyhow::Result<()> {
        let mut words = line.split_whitespace();
        let (Some(name), Some(value), unit) = (words.next(), words.next(), words.next()) else {
            bail!("not `name value unit`: {line}");
        };
        let value = value
            .parse()
            .with_context(|| format!("not `name value unit`: {line}"))?;
        if let Some(row) = named(name) {
            return self.put(row.name, &[value]);
        }
        self.extra.push(Extra {
            name: name.to_owned(),
            value,
            unit: unit.unwrap_or_default().to_owned(),
        });
        Ok(())
    }

    /// Says something beside a part's rows.
    pub(super) fn note(&mut self, part: Part, text: String) {
        self.notes.push((part, text));
    }

    /// The median of a row, if it was measured.
    pub(super) fn median(&self, name: &str) -> Option<f64> {
        self.rounds.get(name).and_then(|values| median(values))
    }

    /// For machines: a list of `name`, `value`, `unit`, `target`, `ratio_to`.
    pub(super) fn json(&self) -> Value {
        let measured = rows().filter_map(|row| {
            let target = row.target.to_string();
            Some(json!({
                "name": row.name,
                "value": self.median(row.name)?,
                "unit": row.unit,
                "target": (!target.is_empty()).then_some(target),
                "ratio_to": row.ratio_to,
            }))
        });
        let extra = self.extra.iter().map(|extra| {
            json!({
                "name": extra.name,
                "value": extra.value,
                "unit": extra.unit,
                "target": null,
                "ratio_to": null,
            })
        });
        measured.chain(extra).collect()
    }

    /// The parts' tables, in Markdown.
    pub(super) fn tables(&self, parts: &[Part]) -> String {
        let mut text = String::new();
        for part in parts {
            let _ = write!(text, "\n### {}\n\n", part.title());
            text.push_str("| what | measured | rounds | target | |\n|---|---|---|---|---|\n");
            for row in rows().filter(|row| row.part == *part) {
                let _ = writeln!(text, "{}", self.line(row));
            }
            if *part == Part::Index {
                self.write_extra(&mut text);
            }
            for (_, note) in self.notes.iter().filter(|(of, _)| of == part) {
                let _ = write!(text, "\n{note}\n");
            }
        }
        text
    }

    fn line(&self, row: &Row) -> String {
        let target = match row.target.to_string() {
            target if target.is_empty() => target,
            target => format!("{target} {}", row.unit),
        };
        let meaning = row.meaning;
        let Some(values) = self.rounds.get(row.name) else {
            return format!("| {meaning} | not measured | | {target} | |");
        };
        let value = median(values).unwrap_or(f64::NAN);
        let met = match row.target.is_met_by(value) {
            None => "",
            Some(true) => "met",
            Some(false) => "**missed**",
        };
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let rounds = match values.len() {
            1 => "1".to_owned(),
            rounds => format!("{rounds}: {} to {}", written(least), written(most)),
        };
        let unit = row.unit;
        format!(
            "| {meaning} | {} {unit} | {rounds} | {target} | {met} |",
            written(value)
        )
    }

    fn write_extra(&self, text: &mut String) {
        for Extra { name, value, unit } in &self.extra {
            let _ = writeln!(text, "| `{name}` | {} {unit} | 1 | | |", written(*value));
        }
    }
}

/// The document with its tables replaced.
pub(super) fn with_tables(document: &str, tables: &str) -> anyhow::Result<String> {
    let (before, rest) = document
        .split_once(BEGIN)
        .with_context(|| format!("the document has no line {BEGIN}"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("the document has no line {END}"))?;
    Ok(format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
}

/// The middle value, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(sorted[middle - 1], upper)
    })
}

/// A number at three or more digits that matter.
fn written(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => grouped(&format!("{value:.0}")),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// `1234567` as `1,234,567`.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len() - at;
        if at > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_its_median_its_spread_and_whether_it_met_its_target() {
        let mut figures = Figures::default();
        figures.put("nginx_return", &[100.0, 100.0, 50.0]).unwrap();
        figures
            .put_ratios(
                "renewal_info_to_nginx",
                &[90.0, 70.0, 40.0],
                &[100.0, 100.0, 50.0],
            )
            .unwrap();
        let tables = figures.tables(&[Part::Serving]);
        assert!(
            tables.contains(
                "| offpeak ÷ nginx | 0.80 ratio | 3: 0.70 to 0.90 | >= 0.8 ratio | met |"
            ),
            "{tables}"
        );
        figures.put("renewal_info_to_nginx", &[0.7]).unwrap();
        let tables = figures.tables(&[Part::Serving]);
        assert!(
            tables.contains("| 0.70 ratio | 1 | >= 0.8 ratio | **missed** |"),
            "{tables}"
        );
        assert!(tables.contains("| offpeak | not measured |"), "{tables}");
        assert!(figures.put("no_such_row", &[1.0]).is_err());
    }

    #[test]
    fn machines_read_what_was_measured_and_nothing_else() {
        let mut figures = Figures::default();
        figures.put("nginx_return", &[3.0, 1.0, 2.0, 10.0]).unwrap();
        figures.put("renewal_info_to_nginx", &[0.5]).unwrap();
        figures.put_line("index_octets_100000 23.5 octets").unwrap();
        assert!(figures.put_line("index_octets_100000").is_err());
        assert!(figures.put_line("index_octets_100000 many octets").is_err());
        figures
            .put_line("index_10000000_resident_each 31 octets")
            .unwrap();
        assert_eq!(
            figures.json(),
            json!([
                {"name": "nginx_return", "value": 2.5, "unit": "requests/s", "target": null,
                 "ratio_to": null},
                {"name": "renewal_info_to_nginx", "value": 0.5, "unit": "ratio",
                 "target": ">= 0.8", "ratio_to": "nginx_return"},
                {"name": "index_10000000_resident_each", "value": 31.0, "unit": "octets",
                 "target": "<= 32", "ratio_to": null},
                {"name": "index_octets_100000", "value": 23.5, "unit": "octets", "target": null,
                 "ratio_to": null},
            ])
        );
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let document = format!("a\n\n{BEGIN}\nold\n{END}\n\nb\n");
        let once = with_tables(&document, "new").unwrap();
        assert_eq!(once, format!("a\n\n{BEGIN}\nnew\n{END}\n\nb\n"));
        assert_eq!(with_tables(&once, "new").unwrap(), once);
        assert!(with_tables("a", "new").is_err());
    }

    #[test]
    fn numbers_have_at_least_three_digits() {
        let numbers = [0.125, 9.996, 12.34, 123.4, 1_234.5, 1_234_567.0];
        let written = numbers.map(written);
        assert_eq!(
            written,
            ["0.12", "10.00", "12.3", "123", "1,234", "1,234,567"]
        );
        assert_eq!(grouped("-123456"), "-123,456");
    }
}

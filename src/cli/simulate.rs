//! `offpeak simulate SCENARIO`: a CA's load under each rule.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::exit::Exit;
use super::given::{is_stdin, text_of};
use super::global::InvalidConfig;
use super::usage::UsageError;
use crate::simulate::midnight;
use crate::simulate::outcome::Outcome;
use crate::simulate::report::{csv, json, svg, table};
use crate::simulate::scenario::{SHIPPED, Scenario, shipped};

/// The largest input. A scenario has some kilobytes, and so has a day of counts; a year of counts
/// by minute has 525,600 lines of 30 octets, 16 MB.
const MOST_OCTETS: u64 = 64 * 1024 * 1024;

/// Steps of the progress bar, finer than visible.
const STEPS: f64 = 1_000.0;

/// Runs a population of clients on a virtual clock and compares what each rule makes of the load
///
/// Prints a table. The same scenario and seed give the same figures, to the last bit.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  offpeak simulate --list
  offpeak simulate realistic --seed 7 --json
  offpeak simulate midnight
  offpeak simulate mine.toml --csv figures --svg load.svg

Reads a scenario in TOML; docs/simulation.md has all its keys.")]
pub struct Simulate {
    /// A scenario's file, `-` for standard input, or the name of one that comes with the program: see --list
    #[arg(required_unless_present = "list")]
    scenario: Option<PathBuf>,
    /// Prints the scenarios that come with the program
    #[arg(long, conflicts_with = "scenario")]
    list: bool,
    /// Prints JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Writes the load of each slot, and of each second around the peaks, to NAME-slots.csv and
    /// NAME-seconds.csv in this folder
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
    /// Draws the load under each rule into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The seed of everything that is drawn, instead of the scenario's
    #[arg(long)]
    seed: Option<u64>,
    /// How many days to run, instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_653))]
    days: Option<u32>,
}

impl Simulate {
    /// Runs the command with the simulator `simulate`, which reports its progress from 0 to 1.
    ///
    /// # Errors
    /// [`InvalidConfig`] if the scenario has errors; otherwise what cannot be read or written.
    pub fn run(
        &self,
        output: &mut impl Write,
        simulate: impl FnOnce(&Scenario, &mut dyn FnMut(f64)) -> Outcome,
    ) -> anyhow::Result<Exit> {
        let Some(named) = &self.scenario else {
            return list(output);
        };
        if named.as_os_str() == midnight::NAME && !named.exists() {
            return self.midnight(output);
        }
        let scenario = self.scenario(named)?;
        let bar = bar(&scenario.name);
        let outcome = simulate(&scenario, &mut |done| bar.set_position(steps(done)));
        bar.finish_and_clear();
        if let Some(folder) = &self.csv {
            write_csv(folder, &outcome)?;
        }
        if let Some(file) = &self.svg {
            fs::write(file, svg::to_svg(&outcome)).with_context(|| cannot_write(file))?;
        }
        if self.json {
            writeln!(output, "{}", json::to_json(&outcome)?)?;
        } else {
            write!(output, "{}", table::to_table(&outcome))?;
        }
        Ok(Exit::Done)
    }

    fn midnight(&self, output: &mut impl Write) -> anyhow::Result<Exit> {
        if self.csv.is_some() || self.svg.is_some() || self.days.is_some() {
            let reason = "midnight is one night by the second: it takes no --csv, --svg and --days";
            return Err(UsageError(reason.to_owned()).into());
        }
        let mut scenario = read(Path::new("realistic"))?;
        if let Some(seed) = self.seed {
            scenario.seed = seed;
        }
        let bar = bar(midnight::NAME);
        let outcome = midnight::run(&scenario, &mut |done| bar.set_position(steps(done)));
        bar.finish_and_clear();
        if self.json {
            writeln!(output, "{}", midnight::report::to_json(&outcome))?;
        } else {
            write!(output, "{}", midnight::report::to_table(&outcome))?;
        }
        Ok(Exit::Done)
    }

    fn scenario(&self, named: &Path) -> anyhow::Result<Scenario> {
        let mut scenario = read(named)?;
        if let Some(seed) = self.seed {
            scenario.seed = seed;
        }
        // Figures are computed over whole cycles after the first one, which no rule affects.
        let fewest = scenario.first_cycle_days.saturating_mul(2);
        match self.days {
            None => Ok(scenario),
            Some(days) if days >= fewest => Ok(scenario.for_days(days)),
            Some(days) => Err(UsageError(format!(
                "--days {days} is too short: figures are of whole cycles after the first, and one \
                 has {} days, so it takes {fewest} or more",
                scenario.first_cycle_days
            ))
            .into()),
        }
    }
}

fn list(output: &mut impl Write) -> anyhow::Result<Exit> {
    let width = SHIPPED.iter().map(|known| known.name.len()).max();
    let width = width.unwrap_or_default();
    for known in SHIPPED {
        let scenario = parse(known.name, Path::new(known.name), known.text)?;
        writeln!(output, "{:<width$}  {}", known.name, scenario.description)?;
    }
    let (name, description) = (midnight::NAME, midnight::DESCRIPTION);
    writeln!(output, "{name:<width$}  {description}")?;
    Ok(Exit::Done)
}

/// An existing file takes precedence over a built-in scenario of the same name.
fn read(named: &Path) -> anyhow::Result<Scenario> {
    let known = named.to_str().and_then(shipped);
    if let Some(known) = known.filter(|_| !named.exists()) {
        return parse(known.name, named, known.text);
    }
    if is_stdin(named) {
        let text = text_of(named).context("cannot read a scenario from standard input")?;
        return parse("stdin", named, &text);
    }
    let text = read_text(named).with_context(|| {
        let named = named.display();
        format!("cannot read the scenario {named}, and none of --list has this name")
    })?;
    let name = named.file_stem().unwrap_or_default().to_string_lossy();
    parse(&name, named, &text)
}

fn parse(name: &str, file: &Path, text: &str) -> anyhow::Result<Scenario> {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let files = |path: &str| read_text(&folder.join(path));
    Scenario::parse(name, text, &files).map_err(|errors| {
        let file = file.to_owned();
        InvalidConfig { file, errors }.into()
    })
}

fn read_text(path: &Path) -> io::Result<String> {
    let octets = fs::metadata(path)?.len();
    if octets > MOST_OCTETS {
        let reason = format!("it has {octets} octets; {MOST_OCTETS} are the most");
        return Err(io::Error::other(reason));
    }
    fs::read_to_string(path)
}

fn write_csv(folder: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
    let name = &outcome.scenario;
    let slots = folder.join(format!("{name}-slots.csv"));
    written(&slots, |out| csv::slots(outcome, out))?;
    let seconds = folder.join(format!("{name}-seconds.csv"));
    written(&seconds, |out| csv::seconds(outcome, out))
}

fn written(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> anyhow::Result<()> {
    File::create(path)
        .map(BufWriter::new)
        .and_then(|mut out| {
            write(&mut out)?;
            out.flush()
        })
        .with_context(|| cannot_write(path))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// On standard error, and only on a terminal.
fn bar(name: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = Some(steps(1.0));
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent} % {eta}") {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar
}

fn steps(done: f64) -> u64 {
    u64::try_from(crate::domain::math::number::whole(
        done.clamp(0.0, 1.0) * STEPS,
    ))
    .unwrap_or_default()
}

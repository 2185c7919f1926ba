//! `offpeak ranking`: the map of the week in the terminal.

use std::io::{IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::global::Global;
use super::output::Output;
use super::published::ranking_bytes;
use crate::domain::policy::ca::CaName;
use crate::domain::publication::published::Published;
use crate::domain::publication::terminal::{Colours, drawn};
use crate::engine::clock::{Clock as _, SystemClock};

/// Show how busy each hour of the week is, with the quietest hours and the peak
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  offpeak ranking --ca example
  offpeak ranking --ranking https://ari.example.com/ranking.json")]
pub(super) struct RankingArgs {
    /// Shows this ranking.json, - for standard input; default: the newest in the database
    #[arg(long, value_name = "URL|FILE")]
    ranking: Option<String>,
    /// The CA; default: the only one, or all production CAs together
    #[arg(long, value_name = "NAME", conflicts_with = "ranking")]
    ca: Option<CaName>,
    /// Whether the map has colours; auto: on a terminal, and without `NO_COLOR` in the environment
    #[arg(long, value_enum, default_value_t = When::Auto)]
    color: When,
    /// Prints the ranking.json itself
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    Always,
    Auto,
    Never,
}

impl RankingArgs {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let bytes = ranking_bytes(self.ranking.as_deref(), self.ca.as_ref(), global).await?;
        let ranking = Published::parse(&bytes)?;
        if self.json {
            output.write_all(bytes.trim_ascii_end())?;
            writeln!(output)?;
            return Ok(Exit::Done);
        }
        let text = drawn(&ranking, self.color.colours(), SystemClock.now());
        output.write_all(text.as_bytes())?;
        Ok(Exit::Done)
    }
}

impl When {
    /// Follows <https://no-color.org> and the conventions of terminals: `TERM=dumb` means no
    /// colours, `COLORTERM` means all.
    fn colours(self) -> Colours {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let named = |name: &str| std::env::var(name).unwrap_or_default();
        let wanted = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                std::io::stdout().is_terminal() && !set("NO_COLOR") && named("TERM") != "dumb"
            }
        };
        match named("COLORTERM").as_str() {
            _ if !wanted => Colours::None,
            "truecolor" | "24bit" => Colours::Full,
            _ => Colours::Cube,
        }
    }
}

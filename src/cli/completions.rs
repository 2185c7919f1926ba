//! `offpeak completions` and `offpeak manual`: files for shells and for `man`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::exit::Exit;
use super::output::Output;

/// Print the completions of a shell
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example, for all users of bash:
  offpeak completions bash > /usr/share/bash-completion/completions/offpeak")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Write the manual pages, one a command
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  offpeak manual --out /usr/local/share/man/man1")]
pub(super) struct ManualArgs {
    /// Writes them into this folder, which is made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl CompletionsArgs {
    pub(super) fn run(&self, mut command: Command, output: &mut Output) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        generate(self.shell, &mut command, "offpeak", &mut script);
        output.write_all(&script)?;
        Ok(Exit::Done)
    }
}

impl ManualArgs {
    pub(super) fn run(&self, mut command: Command, output: &mut Output) -> anyhow::Result<Exit> {
        command.build();
        fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make the folder {}", self.out.display()))?;
        let written = write_pages(&command, "offpeak", &self.out)?;
        writeln!(output, "{written} pages written")?;
        Ok(Exit::Done)
    }
}

/// Writes the page of a command and those of its subcommands, named as in git:
/// `offpeak-incident-open.1`.
fn write_pages(command: &Command, name: &str, folder: &Path) -> anyhow::Result<usize> {
    let path = folder.join(format!("{name}.1"));
    let titled = command.clone().display_name(name);
    let mut page = Vec::new();
    Man::new(titled).render(&mut page)?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    let mut written = 1;
    for inner in command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        written += write_pages(inner, &format!("{name}-{}", inner.get_name()), folder)?;
    }
    Ok(written)
}

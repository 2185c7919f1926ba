//! Opens the logs that a command reads.

use clap::Args;

use crate::config::{CtConfig, contact};
use crate::engine::clock::{Clock as _, SystemClock};
use crate::source::ct::{PAUSE, RemoteLog, logs};
use crate::source::fetch::Fetcher;

/// Which logs, and how politely
#[derive(Args, Debug)]
pub(super) struct Logs {
    /// A list of logs in Google's format: a file, or an http(s) URL
    #[arg(
        long,
        value_name = "FILE|URL",
        default_value = "https://www.gstatic.com/ct/log_list/v3/log_list.json"
    )]
    log_list: String,
    /// Only logs whose description contains this text; may be given several times
    #[arg(long = "log", value_name = "TEXT")]
    described: Vec<String>,
    /// Your address for the logs' operators
    #[arg(long, value_name = "mailto:…|URL", value_parser = contact)]
    contact: String,
}

impl Logs {
    /// A client for the logs, and the logs.
    pub(super) async fn open(&self) -> anyhow::Result<(Fetcher, Vec<RemoteLog>)> {
        let fetcher = Fetcher::new(&self.contact, PAUSE)?;
        let config = CtConfig {
            log_list: self.log_list.clone(),
            logs: self.described.clone(),
            contact: self.contact.clone(),
            budget_octets_per_day: None,
            backfill_seconds: 0,
            register: false,
        };
        let found = logs(&fetcher, &config, SystemClock.now()).await?;
        Ok((fetcher, found.into_iter().map(RemoteLog::new).collect()))
    }
}

//! `offpeak explain`: why a certificate has its window.

use std::io::Write as _;

use anyhow::bail;
use clap::Args;

use super::{Exit, Output};
use crate::domain::certid::CertId;
use crate::engine::Engine;

/// Say why a certificate has its window: derived again from what is stored
#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The certificate's CertID, as `offpeak certid` prints it
    certid: CertId,
}

impl Explain {
    pub(super) async fn run(self, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        match engine.explain(&self.certid).await? {
            Some(explanation) => {
                writeln!(output, "{}", serde_json::to_string_pretty(&explanation)?)?;
                Ok(Exit::Done)
            }
            None => bail!(
                "no certificate with the CertID {} is registered",
                self.certid
            ),
        }
    }
}

//! A gateway that runs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::super::process::{Core, on};
use super::super::service::{self, Offpeak};
use super::super::setup::{Setup, free_address, sqlite_url};

/// A gateway that runs, with what clients need to reach it.
pub(super) struct Front {
    pub(super) offpeak: Offpeak,
    pub(super) address: SocketAddr,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Front {
    /// In front of an upstream that speaks HTTP, with these lines more in its block.
    pub(super) fn start(
        setup: &Setup,
        name: &str,
        upstream: SocketAddr,
        more: &str,
    ) -> anyhow::Result<Self> {
        let folder = setup.path(name);
        fs::create_dir_all(&folder)?;
        let (certificate, key) = self_signed(&folder)?;
        let address = free_address()?;
        let file = folder.join("offpeak.toml");
        let text = format!(
            "trusted_proxies = [\"127.0.0.1/32\"]\n\
             [[gateway]]\nname = \"acme\"\nca = \"default\"\nlisten = \"{address}\"\n\
             upstream = \"http://{upstream}/directory\"\nspool = '{}'\n{more}\n\
             [gateway.tls]\ncertificate = '{}'\nkey = '{}'\n",
            folder.join("spool").display(),
            certificate.display(),
            key.display(),
        );
        fs::write(&file, text)?;
        let mut command = on(Core::Server, service::PROGRAM);
        command.arg("--config").arg(&file);
        let offpeak = Offpeak::start_by(command, &sqlite_url(&folder), &folder)?;
        offpeak.settle()?;
        Ok(Self {
            offpeak,
            address,
            certificate,
            key,
        })
    }
}

/// A certificate for this machine that is its own root, and its key, as files in a folder.
fn self_signed(folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let key = rcgen::KeyPair::generate()?;
    let params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])?;
    let certificate = params.self_signed(&key)?.pem();
    let files = [("pem", certificate), ("key", key.serialize_pem())];
    let [certificate, key] = files.map(|(extension, text)| {
        let path = folder.join(format!("front.{extension}"));
        fs::write(&path, text).map(|()| path)
    });
    Ok((certificate?, key?))
}

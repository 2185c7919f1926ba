//! Checks whether clients come back through a gateway, by the URLs in its directory.

use std::path::PathBuf;

use axum::http::{HeaderValue, Uri};
use serde::Serialize;

use super::directory::NoDirectory;
use super::upstream::{NoAnswer, Upstream, UpstreamError};
use crate::config::GatewayConfig;

/// The directory's name for the URL of nonces.
const NEW_NONCE: &str = "newNonce";

/// The result of checking a directory as a client sees it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Checked {
    /// The URL that was fetched.
    pub directory: String,
    /// The URLs in it, ordered by name.
    pub urls: Vec<CheckedUrl>,
    /// Whether a client gets a nonce where the directory says. `None` if that URL bypasses the
    /// gateway, and was not tried.
    pub nonce: Option<bool>,
    /// What to change at the CA if a URL bypasses the gateway or there is no nonce.
    pub remedy: Option<String>,
}

/// One URL of a directory.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CheckedUrl {
    /// Its name in the directory.
    pub name: String,
    /// The URL.
    pub url: String,
    /// Whether it has the same origin as the directory's URL.
    pub through: bool,
}

/// Why a directory cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There was no answer, or it is not a directory.
    #[error("{url} cannot be checked: {reason}")]
    Unanswered {
        /// The URL that was fetched.
        url: String,
        /// The reason, with all causes.
        reason: String,
    },
    /// The URL or the file of roots cannot be used.
    #[error(transparent)]
    Unusable(#[from] UpstreamError),
}

/// How to make a CA use the gateway's origin in its URLs, guessed from the path of its directory.
fn remedy(origin: &str, path: &str) -> String {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let words = match parts[..] {
        ["v1", ..] => {
            let mount = mount(path);
            return format!(
                "OpenBao, Vault: set `path` of the mount's cluster configuration to the gateway's URL of the mount: \
                 `bao write {}/config/cluster path={origin}{mount}`",
                mount.trim_start_matches("/v1/")
            );
        }
        ["ejbca", ..] => {
            "EJBCA: set the base URL of the ACME alias to the gateway's, or have its application server \
             believe Host and X-Forwarded-Proto"
        }
        ["acme", _, "directory"] => {
            "step-ca: add the gateway's name to `dnsNames` in ca.json, or let it take Host as it comes"
        }
        ["acme", "directory"] => "Dogtag: set `baseURL` in its ACME configuration to the gateway's",
        [.., "directory"] => {
            "Boulder: leave `DirectoryBaseURL` unset and let it see Host and X-Forwarded-Proto; \
             acme2certifier: unset `url_prefix` and `[Nonce] server_name`-like overrides"
        }
        ["dir"] => "Pebble: it takes Host as it comes; something in between changes it",
        _ => "set the CA's public URL to the gateway's, or let it take Host and X-Forwarded-Proto",
    };
    words.to_owned()
}

/// How to make nonces available, if the directory names this path for them and there was none.
fn nonce_remedy(origin: &str, path: &str, nonces: &str) -> String {
    let mount = mount(path);
    let of_mount = nonces.strip_prefix(mount);
    let is_there = of_mount.is_some_and(|rest| rest.starts_with('/'));
    if !path.starts_with("/v1/") {
        "whatever stands between the gateway and the CA has to let the header Replay-Nonce through"
            .to_owned()
    } else if is_there {
        format!(
            "OpenBao, Vault: have the mount hand out the headers of ACME: `bao secrets tune \
             -allowed-response-headers=Replay-Nonce -allowed-response-headers=Location \
             -allowed-response-headers=Link {}`",
            mount.trim_start_matches("/v1/")
        )
    } else {
        remedy(origin, path)
    }
}

/// The mount of an ACME directory of `OpenBao` or Vault, with `/v1/`. A directory may belong to a
/// role, an issuer, or a role of an issuer.
fn mount(path: &str) -> &str {
    let mut mount = path.strip_suffix("/acme/directory").unwrap_or(path);
    while let Some((before, _)) = mount.rsplit_once('/')
        && let Some(of) = before
            .strip_suffix("/roles")
            .or_else(|| before.strip_suffix("/issuer"))
    {
        mount = of;
    }
    mount
}

/// Fetches a directory as a client does, checks where each URL in it leads, and requests a nonce
/// there.
///
/// # Errors
/// [`CheckError`].
pub async fn check(directory: &str, roots: Option<PathBuf>) -> Result<Checked, CheckError> {
    let config = GatewayConfig {
        upstream_roots: roots,
        ..GatewayConfig::to(directory, "")
    };
    let server = Upstream::open(&config)?;
    let unanswered = |reason: String| CheckError::Unanswered {
        url: directory.to_owned(),
        reason,
    };
    let url: Uri = directory
        .parse()
        .map_err(|_| unanswered("it is no URL".to_owned()))?;
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let origin = format!("{}://{authority}", url.scheme_str().unwrap_or("https"));
    let host = HeaderValue::try_from(authority)
        .map_err(|_| unanswered("its host cannot be sent".to_owned()))?;
    let asked = server.ask_directory(&host).await;
    let found = asked.map_err(|error: NoDirectory| unanswered(error.to_string()))?;
    let path_of = |url: &str| {
        let path = url.strip_prefix(&origin)?;
        path.starts_with('/').then(|| path.to_owned())
    };
    let of_nonces = found.urls.iter().find(|(name, _)| *name == NEW_NONCE);
    let of_nonces = of_nonces.and_then(|(_, url)| path_of(url));
    let nonce = match &of_nonces {
        None => None,
        Some(path) => Some(
            server
                .gives_nonce(path, &host)
                .await
                .map_err(|error: NoAnswer| unanswered(error.to_string()))?,
        ),
    };
    let urls: Vec<CheckedUrl> = found
        .urls
        .into_iter()
        .map(|(name, url)| CheckedUrl {
            through: path_of(&url).is_some(),
            name,
            url,
        })
        .collect();
    let remedy = match (&of_nonces, nonce) {
        _ if urls.iter().any(|url| !url.through) => Some(remedy(&origin, url.path())),
        (Some(nonces), Some(false)) => Some(nonce_remedy(&origin, url.path(), nonces)),
        _ => None,
    };
    Ok(Checked {
        directory: directory.to_owned(),
        urls,
        nonce,
        remedy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ca_gets_its_own_setting() {
        for (path, product) in [
            ("/acme/acme/directory", "step-ca"),
            ("/acme/prov/directory", "step-ca"),
            ("/acme/directory", "Dogtag"),
            ("/v1/pki/acme/directory", "OpenBao"),
            ("/v1/pki/roles/web/acme/directory", "OpenBao"),
            ("/ejbca/acme/directory", "EJBCA"),
            ("/ejbca/acme/alias/directory", "EJBCA"),
            ("/directory", "Boulder"),
            ("/dir", "Pebble"),
            ("/", "set the CA's public URL"),
        ] {
            let advice = remedy("https://acme.example", path);
            assert!(advice.starts_with(product), "{path}: {advice}");
        }
    }

    #[test]
    fn openbao_gets_the_mount_and_the_gateway() {
        for (path, mount) in [
            ("/v1/pki/acme/directory", "pki"),
            ("/v1/team/pki/acme/directory", "team/pki"),
            ("/v1/acme/acme/directory", "acme"),
            ("/v1/pki/roles/web/acme/directory", "pki"),
            ("/v1/pki/issuer/one/acme/directory", "pki"),
            ("/v1/pki/issuer/one/roles/web/acme/directory", "pki"),
        ] {
            let advice = remedy("https://acme.example", path);
            let command = format!("{mount}/config/cluster path=https://acme.example/v1/{mount}`");
            assert!(advice.contains(&format!("bao write {command}")), "{advice}");
            let nonces = format!("/v1/{mount}/acme/new-nonce");
            let advice = nonce_remedy("https://acme.example", path, &nonces);
            assert!(advice.ends_with(&format!("Link {mount}`")), "{advice}");
            let advice = nonce_remedy("https://acme.example", path, "/v1/else/acme/new-nonce");
            assert!(advice.contains(&command), "{advice}");
        }
        let advice = nonce_remedy("https://acme.example", "/directory", "/nonce");
        assert!(advice.contains("Replay-Nonce"), "{advice}");
    }
}

//! Checks whether clients come back through a gateway, by the URLs in its directory.

use std::path::PathBuf;

use axum::http::{HeaderValue, StatusCode, Uri};
use serde::Serialize;

use super::body::{MOST_ANSWER_OCTETS, Read, read};
use super::upstream::{NoAnswer, Upstream, UpstreamError};
use crate::config::GatewayConfig;
use crate::domain::acme::Object;

/// What a directory says, asked as a client asks.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Checked {
    /// The URL that was asked for.
    pub directory: String,
    /// Each URL in it, in the order of names.
    pub urls: Vec<CheckedUrl>,
    /// What to set at the CA, where any URL leads past the gateway.
    pub remedy: Option<&'static str>,
}

/// One URL of a directory.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CheckedUrl {
    /// Its name in the directory.
    pub name: String,
    /// The URL.
    pub url: String,
    /// Whether it has the origin of the directory's own URL.
    pub through: bool,
}

/// Why a directory cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// What came is no directory.
    #[error("{url} answered {status}, and no ACME directory")]
    NoDirectory {
        /// The URL that was asked for.
        url: String,
        /// The status of the answer.
        status: StatusCode,
    },
    /// There was no answer.
    #[error("{url} cannot be asked: {reason}")]
    Unanswered {
        /// The URL that was asked for.
        url: String,
        /// Why not, with all causes.
        reason: String,
    },
    /// The URL or the file of roots cannot be used.
    #[error(transparent)]
    Unusable(#[from] UpstreamError),
}

/// What makes a CA name the gateway, by how the path of its directory looks.
fn remedy(path: &str) -> &'static str {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts[..] {
        ["v1", ..] => {
            "OpenBao, Vault: set `path` of the mount's cluster configuration to the gateway's origin and \
             the mount's path: `bao write pki/config/cluster path=https://GATEWAY/v1/pki`"
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
    }
}

/// Asks for a directory as a client does and looks where each URL in it leads.
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
    let scheme = url.scheme_str().unwrap_or("https");
    let host = HeaderValue::try_from(authority)
        .map_err(|_| unanswered("its host cannot be sent".to_owned()))?;
    let response = server
        .get(server.directory(), &host)
        .await
        .map_err(|error: NoAnswer| unanswered(error.to_string()))?;
    let (parts, body) = response.into_parts();
    let Read::Whole(octets) = read(body, MOST_ANSWER_OCTETS).await else {
        return Err(unanswered("the answer broke off or is too long".to_owned()));
    };
    let Object::Directory(found) = Object::of(&octets) else {
        return Err(CheckError::NoDirectory {
            url: directory.to_owned(),
            status: parts.status,
        });
    };
    let origin = format!("{scheme}://{authority}/");
    let urls: Vec<CheckedUrl> = found
        .urls
        .into_iter()
        .map(|(name, url)| CheckedUrl {
            through: url.starts_with(&origin),
            name,
            url,
        })
        .collect();
    let past = urls.iter().any(|url| !url.through);
    Ok(Checked {
        directory: directory.to_owned(),
        urls,
        remedy: past.then(|| remedy(url.path())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ca_is_told_its_own_setting() {
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
            assert!(
                remedy(path).starts_with(product),
                "{path}: {}",
                remedy(path)
            );
        }
    }
}

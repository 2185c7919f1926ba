//! Reading over HTTP, bounded in time and octets.

use std::time::Duration;

use anyhow::bail;
use reqwest::{Client, Response};

/// How long one answer may take to its end: some mebioctets over a slow line.
const LONGEST_FETCH: Duration = Duration::from_secs(30);

/// Whether a text names something to fetch rather than a file.
pub(super) fn is_url(text: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}

/// What fetches.
///
/// # Errors
/// Where TLS cannot be set up.
pub(super) fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().timeout(LONGEST_FETCH).build()?)
}

/// What stands at a URL, at most so many octets.
///
/// # Errors
/// Where it cannot be had, or is longer.
pub(super) async fn fetch(client: &Client, url: &str, most: u64) -> anyhow::Result<Vec<u8>> {
    let answer = client.get(url).send().await?;
    octets_of(answer.error_for_status()?, most).await
}

/// The body of an answer, at most so many octets.
///
/// # Errors
/// Where it breaks off, or is longer.
pub(super) async fn octets_of(mut answer: Response, most: u64) -> anyhow::Result<Vec<u8>> {
    let mut octets = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        octets.extend_from_slice(&chunk);
        if octets.len() as u64 > most {
            bail!("it has more than {most} octets");
        }
    }
    Ok(octets)
}

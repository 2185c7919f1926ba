//! Downloads over HTTP, with limits on time and size.

use std::time::Duration;

use anyhow::bail;
use reqwest::{Client, Response};

/// The longest time for an answer: some megabytes over a slow line.
const LONGEST_FETCH: Duration = Duration::from_secs(30);

/// Whether a text is a URL rather than a file name.
pub(super) fn is_url(text: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}

/// The HTTP client.
///
/// # Errors
/// TLS cannot be set up.
pub(super) fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().timeout(LONGEST_FETCH).build()?)
}

/// Downloads a URL of at most `most` octets.
///
/// # Errors
/// It is unavailable, or longer.
pub(super) async fn fetch(client: &Client, url: &str, most: u64) -> anyhow::Result<Vec<u8>> {
    let answer = client.get(url).send().await?;
    octets_of(answer.error_for_status()?, most).await
}

/// The body of an answer, of at most `most` octets.
///
/// # Errors
/// It is incomplete, or longer.
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

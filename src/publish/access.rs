//! The credentials for an object store, from environment variables.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme, RetryConfig, parse_url_opts};
use url::Url;

/// Retries when asking the machine's metadata service for credentials. Most machines have none, so
/// it should not take minutes.
const RETRIES: usize = 2;
const LONGEST_RETRYING: Duration = Duration::from_secs(20);

/// Variables that each provide credentials for S3 other than by a key.
const OTHER_WAYS: [&str; 4] = [
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// One half of a key is missing.
#[derive(Debug, thiserror::Error)]
#[error("{missing} is not set, and {given} is")]
pub(super) struct HalfKey {
    missing: &'static str,
    given: &'static str,
}

/// The hint added to a store's errors if no variable provides credentials.
pub(super) const NOBODY: &str = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set (files below ~/.aws are not \
     read), and a role of this machine may be missing or have no right to it";

/// Whether no variable provides credentials, so that the machine must have a role.
///
/// # Errors
/// [`HalfKey`].
pub(super) fn is_nobody(url: &Url, variables: &[(String, String)]) -> Result<bool, HalfKey> {
    let is_set = |wanted: &str| {
        let found = |(name, value): &(String, String)| name == wanted && !value.is_empty();
        variables.iter().any(found)
    };
    if url.scheme() != "s3" || OTHER_WAYS.into_iter().any(is_set) {
        return Ok(false);
    }
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    match (is_set(id), is_set(secret)) {
        (true, true) => Ok(false),
        (false, false) => Ok(true),
        (true, false) => Err(HalfKey {
            missing: secret,
            given: id,
        }),
        (false, true) => Err(HalfKey {
            missing: id,
            given: secret,
        }),
    }
}

/// The store, and the path in it.
///
/// # Errors
/// A required setting is missing.
pub(super) fn store(
    url: &Url,
    variables: Vec<(String, String)>,
    is_nobody: bool,
) -> object_store::Result<(Arc<dyn ObjectStore>, Path)> {
    if !is_nobody {
        let (store, root) = parse_url_opts(url, variables)?;
        return Ok((Arc::from(store), root));
    }
    let (_, root) = ObjectStoreScheme::parse(url)?;
    let mut builder = AmazonS3Builder::new()
        .with_url(url.as_str())
        .with_retry(RetryConfig {
            max_retries: RETRIES,
            retry_timeout: LONGEST_RETRYING,
            ..RetryConfig::default()
        });
    for (name, value) in variables {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    Ok((Arc::new(builder.build()?), root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_credentials_come_from_variables() {
        let s3 = Url::parse("s3://bucket/ari").unwrap();
        let asked = |names: &[&str]| {
            let variables: Vec<(String, String)> = names
                .iter()
                .map(|name| ((*name).to_owned(), "x".to_owned()))
                .collect();
            is_nobody(&s3, &variables).map_err(|error| error.to_string())
        };
        assert_eq!(asked(&[]), Ok(true));
        assert_eq!(asked(&["AWS_REGION"]), Ok(true));
        assert_eq!(asked(&["AWS_WEB_IDENTITY_TOKEN_FILE"]), Ok(false));
        let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
        assert_eq!(asked(&[id, secret]), Ok(false));
        let half = format!("{secret} is not set, and {id} is");
        assert_eq!(asked(&[id]), Err(half));
        let half = format!("{id} is not set, and {secret} is");
        assert_eq!(asked(&[secret]), Err(half));
        let google = Url::parse("gs://bucket").unwrap();
        assert!(!is_nobody(&google, &[]).unwrap());
    }
}

//! `[[publish]]`: the places to which the static files are published.

use std::path::PathBuf;

use toml::de::DeValue;

use super::duration::MOST_SECONDS;
use super::error::Problems;
use super::section::Section;
use super::value;
use crate::domain::time::DAY;

/// A cache may serve the old pointer for a day while it fetches the next one, and for a week while the
/// server does not answer. So the files that it points to are needed for 8 days.
const LEAST_RETENTION_SECONDS: i64 = 8 * DAY;

/// The beginnings of the URLs of object stores and folders.
const SCHEMES: [&str; 4] = ["az://", "file:", "gs://", "s3://"];

/// A place to which the newest publication is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublishConfig {
    /// `file:FOLDER`, or a URL of an object store: `s3://`, `gs://`, `az://`.
    pub to: String,
    /// The minisign key that signs each file.
    pub sign_with: Option<PathBuf>,
    /// Whether documents are stored compressed with gzip in an object store.
    pub gzip: bool,
    /// How many seconds immutable copies are kept after the last pointer to them.
    pub retention_seconds: i64,
}

/// All places.
pub(super) fn all(
    root: &mut Section<'_>,
    usual_retention_seconds: i64,
    problems: &mut Problems<'_>,
) -> Vec<PublishConfig> {
    let mut found: Vec<PublishConfig> = Vec::new();
    for mut section in root.sections("publish", problems) {
        let known = &found;
        let to = section.require("to", problems, |v| {
            let to = place(v)?;
            if known.iter().any(|other| other.to == to) {
                return Err(format!("{to:?} is the place of another [[publish]] too"));
            }
            Ok(to)
        });
        let sign_with = section.read("sign_with", problems, value::path);
        let retention = section.read("retention", problems, |v| {
            value::duration(v, LEAST_RETENTION_SECONDS..=MOST_SECONDS)
        });
        let of_folder = to.as_deref().is_some_and(|to| to.starts_with("file:"));
        let gzip = section.read("gzip", problems, |v| {
            let gzip = value::switch(v)?;
            if gzip && of_folder {
                return Err(
                    "is for object stores: a folder's files are compressed by what serves them"
                        .into(),
                );
            }
            Ok(gzip)
        });
        section.finish(problems);
        found.extend(to.map(|to| PublishConfig {
            to,
            sign_with,
            gzip: gzip.unwrap_or(false),
            retention_seconds:
                retention.unwrap_or_else(|| usual_retention_seconds.max(LEAST_RETENTION_SECONDS)),
        }));
    }
    found
}

fn place(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    let scheme = SCHEMES.iter().find(|scheme| text.starts_with(*scheme));
    match scheme {
        Some(scheme) if text.len() > scheme.len() => Ok(text.to_owned()),
        _ => Err(format!(
            r#"{text:?} is no place: write "file:/var/www/ari", "s3://bucket/prefix", "gs://…" or "az://…""#
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn places_are_read_with_what_is_usual() {
        let text = concat!(
            "retention = \"30d\"\n[[publish]]\nto = \"s3://bucket/prefix\"\nsign_with = \"/k\"\n",
            "[[publish]]\nto = \"file:/var/www\"\nretention = \"8d\"\n",
            "[[publish]]\nto = \"az://c/p\"\ngzip = true\n"
        );
        let read = Config::parse(text).unwrap().publish;
        assert_eq!(read.len(), 3);
        assert_eq!(
            read.iter().map(|place| place.gzip).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert_eq!(read[0].to, "s3://bucket/prefix");
        assert_eq!(read[0].sign_with, Some(PathBuf::from("/k")));
        assert_eq!(read[0].retention_seconds, 30 * DAY);
        assert_eq!(read[1].retention_seconds, 8 * DAY);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = concat!(
            "[[publish]]\nto = \"/var/www\"\n[[publish]]\nto = \"gs://b\"\nretention = \"7d\"\n",
            "[[publish]]\nto = \"gs://b\"\n[[publish]]\nto = \"s3://\"\n[[publish]]\n",
            "[[publish]]\nto = \"file:x\"\ngzip = true\n"
        );
        let found = Config::parse(text).unwrap_err();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        for (line, want) in [
            (0, "2: publish[0].to: \"/var/www\" is no place"),
            (1, "5: publish[1].retention:"),
            (2, "7: publish[2].to: \"gs://b\" is the place of another"),
            (3, "9: publish[3].to: \"s3://\" is no place"),
            (4, "publish[4].to: is missing"),
            (5, "publish[5].gzip: is for object stores"),
        ] {
            assert!(found[line].contains(want), "{want}: {found:#?}");
        }
    }
}

//! The files of a publication, with their contents and cache policies. No I/O.

use std::sync::Arc;

use crate::domain::publication::documents::{RANKING, SCHEMA};
use crate::domain::publication::page::INDEX;

/// A file of the static tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// Its path relative to the root, separated by `/`.
    pub path: String,
    /// Its content.
    pub bytes: Arc<[u8]>,
    /// How to serve it.
    pub serving: Serving,
}

/// How to serve a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Serving {
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its cache policy.
    pub cache: Cache,
}

/// How long a document may be cached.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cache {
    /// Forever: its path contains the hash of its content.
    Immutable,
    /// For a while: the next publication may change it.
    Pointer,
}

impl Cache {
    /// The value of `Cache-Control`.
    #[must_use]
    pub const fn control(self) -> &'static str {
        match self {
            // A year: 365 × 86,400 s.
            Self::Immutable => "public, max-age=31536000, immutable",
            // Five minutes in a browser and an hour in a shared cache; a day more while it fetches
            // the new version, and a week more while the origin is down.
            Self::Pointer => {
                "public, max-age=300, s-maxage=3600, stale-while-revalidate=86400, stale-if-error=604800"
            }
        }
    }
}

/// How to serve the document at `path`; `None` if no publication has such a document.
#[must_use]
pub fn serving(path: &str) -> Option<Serving> {
    let parts: Vec<&str> = path.split('/').collect();
    let (content_type, cache) = match parts[..] {
        [name] | ["ca", _, name] if name == RANKING => ("application/json", Cache::Pointer),
        [name] | ["ca", _, name] if name == INDEX => ("text/html; charset=utf-8", Cache::Pointer),
        ["r", hash, name] if name == RANKING && is_sha256(hash) => {
            ("application/json", Cache::Immutable)
        }
        _ if path == SCHEMA => ("application/schema+json", Cache::Pointer),
        _ => return None,
    };
    // Paths that could lead out of the tree are not ours.
    let is_plain = |part: &&str| !part.is_empty() && *part != "." && *part != "..";
    parts.iter().all(is_plain).then_some(Serving {
        content_type,
        cache,
    })
}

/// The files of a publication in the order of writing: immutable copies first, the most-read
/// pointer last, so that nothing refers to a missing file.
#[must_use]
pub fn plan(documents: &[(String, Arc<[u8]>)]) -> Vec<File> {
    let mut files: Vec<File> = documents
        .iter()
        .filter_map(|(path, bytes)| {
            Some(File {
                path: path.clone(),
                bytes: Arc::clone(bytes),
                serving: serving(path)?,
            })
        })
        .collect();
    files.sort_by(|a, b| key(a).cmp(&key(b)));
    files
}

fn key(file: &File) -> (Cache, bool, bool, &str) {
    let path = file.path.as_str();
    (file.serving.cache, path != SCHEMA, path == RANKING, path)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_comes_last() {
        let hash = "0".repeat(64);
        let documents: Vec<(String, Arc<[u8]>)> = [
            "ranking.json",
            "ca/example/ranking.json",
            "index.html",
            &format!("r/{hash}/ranking.json"),
            "schema/ranking-1.json",
        ]
        .iter()
        .map(|path| ((*path).to_owned(), Arc::from(&b"{}"[..])))
        .collect();
        let order: Vec<String> = plan(&documents).into_iter().map(|f| f.path).collect();
        assert_eq!(
            order,
            [
                format!("r/{hash}/ranking.json"),
                "schema/ranking-1.json".to_owned(),
                "ca/example/ranking.json".to_owned(),
                "index.html".to_owned(),
                "ranking.json".to_owned(),
            ]
        );
    }

    #[test]
    fn only_documents_are_served() {
        let hash = "0123456789abcdef".repeat(4);
        for (path, cache) in [
            ("ranking.json".to_owned(), Some(Cache::Pointer)),
            ("index.html".to_owned(), Some(Cache::Pointer)),
            ("ca/a-1/index.html".to_owned(), Some(Cache::Pointer)),
            ("r/index.html".to_owned(), None),
            ("ca/a-1/ranking.json".to_owned(), Some(Cache::Pointer)),
            ("schema/ranking-1.json".to_owned(), Some(Cache::Pointer)),
            (format!("r/{hash}/ranking.json"), Some(Cache::Immutable)),
            (format!("r/{}/ranking.json", hash.to_uppercase()), None),
            ("r/00/ranking.json".to_owned(), None),
            ("ca/../ranking.json".to_owned(), None),
            ("ca//ranking.json".to_owned(), None),
            ("/ranking.json".to_owned(), None),
            ("etc/passwd".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(serving(&path).map(|s| s.cache), cache, "{path}");
        }
    }
}

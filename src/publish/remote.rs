//! The static tree in an object store: S3 and what speaks it, Google Cloud Storage, Azure.
//!
//! Each object is written whole or not at all, in the order of the files: what never changes first,
//! the pointer that most read last. A store knows no step over several objects. So where it does not take one,
//! the pointers before it are put back as they were; a run that dies half-way leaves the old last pointer, and
//! all that any pointer points at.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore, ObjectStoreExt as _, PutOptions, PutPayload,
};
use url::Url;

use super::access;
use super::apply::Applied;
use super::plan::{Cache, File};
use super::sign::{SIGNATURE, SUMS};
use crate::domain::time::Timestamp;

/// What the names of variables begin with that say how to reach a store, as its own programs do.
const VARIABLES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Where URLs of object stores begin.
const SCHEMES: [&str; 3] = ["az://", "gs://", "s3://"];

/// Copies removed in one go, a request each: some seconds. The rest goes with the next publication.
const MOST_REMOVED: usize = 200;

/// A place in an object store.
#[derive(Clone, Debug)]
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    root: Path,
    gzip: bool,
    /// What is said beside each error.
    remark: Option<&'static str>,
}

/// What an object holds of a file.
struct Stored {
    bytes: Vec<u8>,
    encoding: Option<&'static str>,
}

/// An object that is there, and how it is served.
struct There {
    bytes: Vec<u8>,
    attributes: Attributes,
}

/// A pointer that was written, and what it was before; `None`: nothing.
type Replaced = (Path, Option<There>);

/// A store that cannot be reached, or does not take or give an object. All is as before, but for copies
/// that never change.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {place}: {source}{}", remark.map_or_else(String::new, |remark| format!(" ({remark})")))]
pub struct RemoteError {
    operation: &'static str,
    place: String,
    remark: Option<&'static str>,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl RemoteError {
    /// A URL of something else.
    pub(super) fn unknown(url: &str) -> Self {
        let known = format!("it is no folder, and none of {}", SCHEMES.join(", "));
        Self {
            operation: "reach",
            place: url.to_owned(),
            remark: None,
            source: known.into(),
        }
    }
}

impl Remote {
    /// Whether this text is the URL of an object store.
    #[must_use]
    pub fn is_url(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// A place such as `s3://bucket/prefix`. `variables` say how it is reached and by whom, as the
    /// store's own programs read them: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, `AZURE_STORAGE_ACCOUNT_NAME`,
    /// `GOOGLE_SERVICE_ACCOUNT`, …
    ///
    /// # Errors
    /// [`RemoteError`] where the URL is none, or something that the store needs is missing.
    pub fn open(
        url: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, RemoteError> {
        let parsed = Url::parse(url).map_err(|error| failed("read", url, error))?;
        let known =
            |(name, _): &(String, String)| VARIABLES.iter().any(|start| name.starts_with(start));
        let options: Vec<(String, String)> = variables.into_iter().filter(known).collect();
        let is_nobody =
            access::is_nobody(&parsed, &options).map_err(|error| failed("reach", url, error))?;
        let (store, root) = access::store(&parsed, options, is_nobody)
            .map_err(|error| failed("reach", url, error))?;
        Ok(Self {
            remark: is_nobody.then_some(access::NOBODY),
            ..Self::over(store, root)
        })
    }

    /// Below this path of a store.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>, root: Path) -> Self {
        Self {
            store,
            root,
            gzip: false,
            remark: None,
        }
    }

    /// The same, with documents and pages stored in gzip and served so to everybody, as `Content-Encoding`
    /// says. Sums and signatures stay as they are: programs that know no encodings read them.
    #[must_use]
    pub fn in_gzip(self, gzip: bool) -> Self {
        Self { gzip, ..self }
    }

    /// The bytes of an object, where there is one.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        Ok(self.there(path).await?.map(|there| there.bytes))
    }

    /// Brings the place to hold `files`, written in their order, each with its type and its cache
    /// policy. Objects that are there and not named stay: somebody may still read an older copy. Where one
    /// is not taken, all that it replaced is put back.
    ///
    /// # Errors
    /// [`RemoteError`], named after the object.
    pub async fn apply(&self, files: &[File]) -> Result<Applied, RemoteError> {
        // All is read before anything is written: the time in which some pointers are new is short.
        let mut changes = Vec::new();
        for file in files {
            match self.there(&file.path).await? {
                Some(there) if there.bytes == self.stored(file).bytes => {}
                // What never changes is not put back: nothing points at it.
                _ if file.serving.cache == Cache::Immutable => changes.push((file, None)),
                there => changes.push((file, Some(there))),
            }
        }
        let applied = Applied {
            written: changes.len(),
            unchanged: files.len() - changes.len(),
            ..Applied::default()
        };
        let mut replaced: Vec<Replaced> = Vec::new();
        for (file, pointer) in changes {
            // Before it is written: one that failed may have been taken, and its answer lost.
            replaced.extend(pointer.map(|there| (self.place(&file.path), there)));
            if let Err(error) = self.write(file, self.stored(file)).await {
                self.put_back(replaced).await;
                return Err(error);
            }
        }
        Ok(applied)
    }

    /// Puts pointers back as they were, the last first. Where the store does not take one, the others are
    /// tried all the same.
    async fn put_back(&self, replaced: Vec<Replaced>) {
        for (place, there) in replaced.into_iter().rev() {
            let outcome = match there {
                Some(There { bytes, attributes }) => {
                    let options = PutOptions {
                        attributes,
                        ..PutOptions::default()
                    };
                    let put = self.store.put_opts(&place, bytes.into(), options).await;
                    put.map(drop)
                }
                None => match self.store.delete(&place).await {
                    Err(object_store::Error::NotFound { .. }) => Ok(()),
                    outcome => outcome,
                },
            };
            if let Err(error) = outcome {
                let place = place.as_ref();
                tracing::warn!(event = "not_put_back", place, %error);
            }
        }
    }

    async fn there(&self, path: &str) -> Result<Option<There>, RemoteError> {
        let place = self.place(path);
        let fault = |error| self.failed("read", place.as_ref(), error);
        match self.store.get_opts(&place, GetOptions::default()).await {
            Ok(found) => {
                let attributes = found.attributes.clone();
                let bytes = found.bytes().await.map_err(fault)?.to_vec();
                Ok(Some(There { bytes, attributes }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    /// Removes the objects below `below` that `is_old` takes by their path below the root and that were
    /// written before then; how many.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn forget(
        &self,
        below: &str,
        before: Timestamp,
        is_old: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, RemoteError> {
        let folder = self.place(below);
        let mut listed = self.store.list(Some(&folder));
        let mut old = Vec::new();
        while let Some(object) = listed.next().await {
            let object = object.map_err(|error| self.failed("list", folder.as_ref(), error))?;
            let written = Timestamp::from_unix(object.last_modified.timestamp());
            let name = self.name(&object.location);
            if written < before && name.is_some_and(|name| is_old(&name)) {
                old.push(object.location);
            }
            if old.len() == MOST_REMOVED {
                break;
            }
        }
        for place in &old {
            let deleted = self.store.delete(place).await;
            deleted.map_err(|error| self.failed("remove", place.as_ref(), error))?;
        }
        Ok(old.len())
    }

    /// Removes these objects, in their order; how many were there, as far as the store tells.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn remove(&self, paths: &[String]) -> Result<usize, RemoteError> {
        let mut removed = 0;
        for path in paths {
            let place = self.place(path);
            match self.store.delete(&place).await {
                Ok(()) => removed += 1,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.failed("remove", place.as_ref(), error)),
            }
        }
        Ok(removed)
    }

    /// The path of an object below the root.
    fn name(&self, place: &Path) -> Option<String> {
        let parts: Vec<_> = place.prefix_match(&self.root)?.collect();
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        Some(parts.join("/"))
    }

    fn stored(&self, file: &File) -> Stored {
        if self.gzip && file.path != SUMS && !file.path.ends_with(SIGNATURE) {
            Stored {
                bytes: gzip(&file.bytes),
                encoding: Some("gzip"),
            }
        } else {
            Stored {
                bytes: file.bytes.to_vec(),
                encoding: None,
            }
        }
    }

    async fn write(&self, file: &File, stored: Stored) -> Result<(), RemoteError> {
        let place = self.place(&file.path);
        let mut attributes = Attributes::from_iter([
            (Attribute::ContentType, file.serving.content_type),
            (Attribute::CacheControl, Cache::control(file.serving.cache)),
        ]);
        if let Some(encoding) = stored.encoding {
            attributes.insert(Attribute::ContentEncoding, encoding.into());
        }
        let options = PutOptions {
            attributes,
            ..PutOptions::default()
        };
        let payload = PutPayload::from(stored.bytes);
        let put = self.store.put_opts(&place, payload, options).await;
        put.map(drop)
            .map_err(|error| self.failed("write", place.as_ref(), error))
    }

    fn failed(
        &self,
        operation: &'static str,
        place: &str,
        source: object_store::Error,
    ) -> RemoteError {
        RemoteError {
            remark: self.remark,
            ..failed(operation, place, source)
        }
    }

    fn place(&self, path: &str) -> Path {
        let parts = self.root.parts();
        let names = path.split('/').map(Into::into);
        parts.chain(names).collect()
    }
}

/// The same bytes for the same input: there is no time in its header.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn failed(
    operation: &'static str,
    place: &str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> RemoteError {
    RemoteError {
        operation,
        place: place.to_owned(),
        remark: None,
        source: Box::new(source),
    }
}

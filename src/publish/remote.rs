//! The static tree in an object store: S3 and compatible ones, Google Cloud Storage, Azure.
//!
//! Each object is written atomically, in the order of the files: immutable copies first, the
//! most-read pointer last. Stores have no transactions over several objects. So if writing one
//! fails, the pointers written before it are restored. A run that dies half-way leaves the last
//! pointer as it was, and everything that pointers refer to exists.

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

/// Prefixes of the variables that configure access to a store, as for its own programs.
const VARIABLES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// The URL schemes of object stores.
const SCHEMES: [&str; 3] = ["az://", "gs://", "s3://"];

/// Copies removed at a time, one request each: some seconds. The rest follows with the next
/// publication.
const MOST_REMOVED: usize = 200;

/// A place in an object store.
#[derive(Clone, Debug)]
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    root: Path,
    gzip: bool,
    /// A hint added to each error.
    remark: Option<&'static str>,
}

/// An object with the content of a file.
struct Stored {
    bytes: Vec<u8>,
    encoding: Option<&'static str>,
}

/// An existing object, and how it is served.
struct There {
    bytes: Vec<u8>,
    attributes: Attributes,
}

/// A pointer that was written, and its previous state; `None` if it did not exist.
type Replaced = (Path, Option<There>);

/// A store cannot be reached, or failed to read or write an object. Only immutable copies may have
/// been added.
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
    /// The URL is not supported.
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
    /// Whether this is the URL of an object store.
    #[must_use]
    pub fn is_url(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// A place such as `s3://bucket/prefix`. `variables` configure the access, as for the store's
    /// own programs: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, `AZURE_STORAGE_ACCOUNT_NAME`,
    /// `GOOGLE_SERVICE_ACCOUNT`, …
    ///
    /// # Errors
    /// [`RemoteError`] if the URL is invalid or a required setting is missing.
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

    /// A place below this path of a store.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>, root: Path) -> Self {
        Self {
            store,
            root,
            gzip: false,
            remark: None,
        }
    }

    /// The same, with documents and pages stored in gzip and served with `Content-Encoding` to all
    /// clients. Checksums and signatures stay uncompressed for programs without support for
    /// encodings.
    #[must_use]
    pub fn in_gzip(self, gzip: bool) -> Self {
        Self { gzip, ..self }
    }

    /// The content of an object, if it exists.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        Ok(self.there(path).await?.map(|there| there.bytes))
    }

    /// Writes `files` in order, each with its type and cache policy. Other objects stay, because
    /// someone may still be reading older copies. If one fails, everything it replaced is restored.
    ///
    /// # Errors
    /// [`RemoteError`] names the object.
    pub async fn apply(&self, files: &[File]) -> Result<Applied, RemoteError> {
        // Everything is read first, so that the time with only some new pointers is short.
        let mut changes = Vec::new();
        for file in files {
            match self.there(&file.path).await? {
                Some(there) if there.bytes == self.stored(file).bytes => {}
                // Immutable copies are not restored, because nothing refers to them.
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
            // Recorded before writing, because a failed write may have taken effect without an
            // answer.
            replaced.extend(pointer.map(|there| (self.place(&file.path), there)));
            if let Err(error) = self.write(file, self.stored(file)).await {
                self.put_back(replaced).await;
                return Err(error);
            }
        }
        Ok(applied)
    }

    /// Restores pointers, the last one first. If one fails, the others are still tried.
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

    /// Removes the objects below `below` that `is_old` selects by path and that were written before
    /// `before`; returns their number.
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

    /// Removes these objects in order; returns how many existed, as far as the store reports it.
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

    /// The path of an object relative to the root.
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

/// The same input gives the same bytes, because the header contains no time.
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

//! Publishing into an object store that does not take every object: what readers see meanwhile, and after.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::policy::ca::CaPolicy;
use offpeak::domain::publication::documents::documents;
use offpeak::domain::publication::ranking::Times;
use offpeak::domain::time::{DAY, HOUR};
use offpeak::publish::place::Place;
use offpeak::publish::plan::{Cache, File, plan, serving};
use offpeak::publish::remote::Remote;
use offpeak::publish::sign::{Signer, Verifier};

use crate::load::{NOW, at, hourly, one_oclock};
use crate::publish_remote::Seaweed;
use crate::server::sha256_hex;
use crate::tools::tool;

/// What happens when the store is given one object too many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// It takes the object, its answer is lost, and it goes on.
    AnswerLost,
    /// It is away from then on, or the run has died: nothing is put back.
    Gone,
    /// It does not take it, and goes on.
    Refused,
}

/// A store that takes so many objects, and then has its fault.
#[derive(Debug)]
struct Failing {
    store: Arc<dyn ObjectStore>,
    fault: Fault,
    puts: AtomicUsize,
    taken: usize,
}

impl Failing {
    fn away(&self) -> Error {
        Error::Generic {
            store: "failing",
            source: format!("{:?}", self.fault).into(),
        }
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failing {}", self.store)
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(
        &self,
        place: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let number = self.puts.fetch_add(1, Ordering::SeqCst);
        let fails = number == self.taken || (number > self.taken && self.fault == Fault::Gone);
        match self.fault {
            Fault::AnswerLost if fails => {
                self.store.put_opts(place, payload, options).await?;
                Err(self.away())
            }
            _ if fails => Err(self.away()),
            _ => self.store.put_opts(place, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        place: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(place, options).await
    }

    async fn get_opts(&self, place: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(place, options).await
    }

    async fn get_ranges(&self, place: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.store.get_ranges(place, ranges).await
    }

    fn delete_stream(
        &self,
        places: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(places)
    }

    fn list(&self, below: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(below)
    }

    async fn list_with_delimiter(&self, below: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(below).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

/// Objects by their path below the root, with what they are served with.
type Tree = BTreeMap<String, (Vec<u8>, Attributes)>;

async fn tree(store: &dyn ObjectStore, root: &Path) -> Tree {
    let objects: Vec<ObjectMeta> = store.list(Some(root)).try_collect().await.unwrap();
    let mut found = Tree::new();
    for object in objects {
        let got = store.get(&object.location).await.unwrap();
        let attributes = got.attributes.clone();
        let path: Vec<_> = object.location.prefix_match(root).unwrap().collect();
        let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
        found.insert(
            path.join("/"),
            (got.bytes().await.unwrap().to_vec(), attributes),
        );
    }
    found
}

/// A publication of two CAs with their pages, after so many days of load.
fn publication(days: i64) -> Vec<File> {
    let profile = Profile::learn(&hourly(days, one_oclock), at(NOW), HOUR, &[]);
    let [one, other] = ["example", "other"].map(|name| CaPolicy::named(name.parse().unwrap()));
    let times = Times::new(at(NOW), DAY);
    let mut all = documents(&[], &[(&one, &profile), (&other, &profile)], &times);
    for path in ["index.html", "ca/example/index.html", "ca/other/index.html"] {
        let page = format!("<html>{path} after {days} days</html>");
        all.push((path.to_owned(), Arc::from(page.into_bytes())));
    }
    plan(&all)
}

fn signer() -> (Signer, Verifier) {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pair.sk.to_box(None).unwrap().to_string()).unwrap();
    let signer = Signer::read(file.path()).unwrap();
    let verifier = Verifier::of(&signer.public_key()).unwrap();
    (signer, verifier)
}

fn is_immutable(path: &str) -> bool {
    let document = path.strip_suffix(".minisig").unwrap_or(path);
    serving(document).is_some_and(|serving| serving.cache == Cache::Immutable)
}

/// Publishes over an older tree and fails, once after each number of objects. `fresh` makes a store with
/// nothing below a root.
async fn fail_after_each(fault: Fault, mut fresh: impl FnMut() -> (Arc<dyn ObjectStore>, Path)) {
    let (signer, verifier) = signer();
    let (old, new) = (publication(28), publication(3));
    let mut failures = 0;
    loop {
        let (store, root) = fresh();
        let bring = async |store: Arc<dyn ObjectStore>, files: &[File]| {
            let place = Place::Remote(Remote::over(store, root.clone()));
            place.bring(files.to_vec(), Some(&signer), at(NOW)).await
        };
        bring(Arc::clone(&store), &old).await.unwrap();
        let before = tree(&*store, &root).await;
        let failing = Failing {
            store: Arc::clone(&store),
            fault,
            puts: AtomicUsize::new(0),
            taken: failures,
        };
        let outcome = bring(Arc::new(failing), &new).await;
        let after = tree(&*store, &root).await;
        if outcome.is_ok() {
            // Each of 2 rankings and 3 pages has changed, with its copy, the sums, and all signatures.
            assert!(failures > 12, "{failures}");
            return;
        }
        let report = format!("{fault:?} after {failures}");
        if fault == Fault::Gone {
            half_written(&before, &after, &new, &verifier, &report);
        } else {
            // Nothing that anybody is pointed at has changed, nor how it is served.
            let shown = |tree: &Tree| -> Tree {
                let pointers = tree.iter().filter(|(path, _)| !is_immutable(path));
                pointers
                    .map(|(path, of)| (path.clone(), of.clone()))
                    .collect()
            };
            assert!(shown(&after) == shown(&before), "{report}");
        }
        assert!(
            before
                .iter()
                .all(|(path, of)| !is_immutable(path) || after.get(path) == Some(of)),
            "{report}"
        );
        // The next run mends it.
        bring(Arc::clone(&store), &new).await.unwrap();
        let mended = tree(&*store, &root).await;
        for file in &new {
            assert!(
                mended[&file.path].0 == *file.bytes,
                "{report}: {}",
                file.path
            );
            let signature = &mended[&format!("{}.minisig", file.path)].0;
            verifier.verify(&file.bytes, signature).unwrap();
        }
        failures += 1;
    }
}

/// What a run leaves that died: every object whole, the last pointer as it was, and whatever ranking a
/// pointer shows is there as a copy with its signature.
fn half_written(before: &Tree, after: &Tree, new: &[File], verifier: &Verifier, report: &str) {
    assert!(after["ranking.json"] == before["ranking.json"], "{report}");
    for (path, (bytes, _)) in after {
        let was = before.get(path).is_some_and(|(old, _)| old == bytes);
        let is_new = new
            .iter()
            .any(|file| file.path == *path && *file.bytes == **bytes);
        let beside = path.ends_with(".minisig") || path == "SHA256SUMS";
        assert!(was || is_new || beside, "{report}: {path}");
    }
    for pointer in [
        "ranking.json",
        "ca/example/ranking.json",
        "ca/other/ranking.json",
    ] {
        let shown = &after[pointer].0;
        let copy = format!("r/{}/ranking.json", sha256_hex(shown));
        assert!(after[&copy].0 == *shown, "{report}: {pointer}");
        let signature = &after[&format!("{copy}.minisig")].0;
        verifier.verify(shown, signature).unwrap();
    }
}

fn in_memory() -> (Arc<dyn ObjectStore>, Path) {
    (Arc::new(InMemory::new()), Path::from("some/tree"))
}

#[tokio::test]
async fn a_store_that_does_not_take_an_object_shows_the_old_tree_after_each() {
    fail_after_each(Fault::Refused, in_memory).await;
    fail_after_each(Fault::AnswerLost, in_memory).await;
}

#[tokio::test]
async fn a_run_that_dies_after_any_object_leaves_the_old_ranking_and_all_that_pointers_show() {
    fail_after_each(Fault::Gone, in_memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_store_shows_the_old_tree_too() {
    let Some(weed) = tool("OFFPEAK_TEST_SEAWEEDFS") else {
        return;
    };
    let server = tokio::task::spawn_blocking(move || Seaweed::start(&weed))
        .await
        .unwrap();
    let mut trees = 0;
    let mut fresh = || {
        trees += 1;
        let url = format!("s3://bucket/{trees}").parse().unwrap();
        let (store, root) = object_store::parse_url_opts(&url, server.variables()).unwrap();
        (Arc::from(store) as Arc<dyn ObjectStore>, root)
    };
    fail_after_each(Fault::Refused, &mut fresh).await;
    fail_after_each(Fault::Gone, fresh).await;
}

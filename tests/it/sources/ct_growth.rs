//! Logs that grow between two looks, by either protocol, and ones that show another past.

use std::path::Path;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use offpeak::domain::transparency::leaf::Leaf;
use offpeak::source::ct::Logged;

use super::ct::{ISSUERS, case_of, folder, hex};
use super::ct_log::{Log, ROOT, leaf_hashes, root};

/// As many leaves as the log has at first: two tiles, and some of the third.
const FIRST: u64 = 600;

/// Certificates of the two issuers that are counted, in the first tiles of the folder.
fn counted(folder: &Path, tiles: usize) -> u64 {
    let in_tile = |number| {
        let octets = std::fs::read(folder.join(format!("tile/data/{number:03}"))).unwrap();
        let logged = Leaf::of_tile(&octets).unwrap();
        let issuers = logged.iter().filter_map(Logged::of);
        let issuers = issuers.map(|one| hex(one.id.key_identifier.octets()));
        issuers
            .filter(|issuer| [ISSUERS[0].0, ISSUERS[2].0].contains(&&**issuer))
            .count() as u64
    };
    (0..tiles).map(in_tile).sum()
}

/// The real log with its first two tiles in another order.
fn other_past(folder: &Path) -> tempfile::TempDir {
    let other = tempfile::tempdir().unwrap();
    let mut above = std::fs::read(folder.join("tile/1/000.p/4")).unwrap();
    let (first, second) = above[..64].split_at_mut(32);
    first.swap_with_slice(second);
    std::fs::create_dir_all(other.path().join("tile/1/000.p")).unwrap();
    std::fs::write(other.path().join("tile/1/000.p/4"), above).unwrap();
    for kind in ["0", "data"] {
        std::fs::create_dir_all(other.path().join("tile").join(kind)).unwrap();
        for (from, to) in [(0, 1), (1, 0), (2, 2), (3, 3)] {
            let name = |number| format!("tile/{kind}/{number:03}");
            std::fs::copy(folder.join(name(from)), other.path().join(name(to))).unwrap();
        }
    }
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_grows_is_read_on() {
    let Some(folder) = folder() else { return };
    for log in [
        Log::start(folder.clone()).await,
        Log::rfc6962(folder.clone()).await,
    ] {
        let kind = if log.is_rfc6962 { "RFC 6962" } else { "static" };
        let whole = STANDARD.decode(ROOT).unwrap().try_into().unwrap();
        let hashes = leaf_hashes(&folder);
        assert_eq!(root(&hashes), whole);
        log.show(FIRST, &root(&hashes[..600]));
        let case = case_of(&[&[&log]], "").await;
        case.read().await.unwrap();
        assert_eq!(case.count().await, counted(&folder, 2), "{kind}");
        log.show(1_024, &whole);
        case.read().await.unwrap();
        case.read().await.unwrap();
        assert_eq!(case.count().await, counted(&folder, 4), "{kind}");
        // Never a part of a tile of data, and each once after the beginning was found.
        assert_eq!(log.asked("tile/data/002.p"), 0);
        assert!(log.asked("tile/data/003") <= 1);
        let proofs = log.asked("get-sth-consistency");
        assert_eq!(proofs, u32::from(log.is_rfc6962), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_shows_another_past_is_not_read_on() {
    let Some(folder) = folder() else { return };
    let other = other_past(&folder);
    for log in [
        Log::start(folder.clone()).await,
        Log::rfc6962(folder.clone()).await,
    ] {
        let hashes = leaf_hashes(&folder);
        log.show(FIRST, &root(&hashes[..600]));
        let case = case_of(&[&[&log]], "").await;
        case.read().await.unwrap();
        let before = case.count().await;
        other
            .path()
            .clone_into(&mut log.shown.folder.lock().unwrap());
        log.show(1_024, &root(&leaf_hashes(other.path())));
        let refused = case.read().await.unwrap_err().to_string();
        assert!(refused.contains("does not begin with the one"), "{refused}");
        // The true one, with a proof that is none.
        log.shown.folder.lock().unwrap().clone_from(&folder);
        log.show(1_024, &root(&hashes));
        if log.is_rfc6962 {
            log.shown.lies.store(true, Ordering::SeqCst);
            let refused = case.read().await.unwrap_err().to_string();
            assert!(refused.contains("does not begin with the one"), "{refused}");
            log.shown.lies.store(false, Ordering::SeqCst);
        }
        assert_eq!(case.count().await, before);
        case.read().await.unwrap();
        assert_eq!(case.count().await, counted(&folder, 4));
    }
}

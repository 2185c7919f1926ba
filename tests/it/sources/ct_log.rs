//! A log of Certificate Transparency: a folder of real tiles on a server of its own, under a key of its
//! own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use offpeak::domain::transparency::checkpoint::{SignedTree, log_id};
use offpeak::domain::transparency::leaf::Leaf;
use offpeak::domain::transparency::merkle::{Hash, node_hash};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// As the folder's own page says.
pub(super) const ROOT: &str = "EMfGG85uIddeOXt5/wdQGP3IQd0COCqoLg9Q6CsPLJA=";
pub(super) const ORIGIN: &str = "log.example/2025h2";

/// The log's folder on a server of its own, which counts what it is asked for.
pub(super) struct Log {
    url: String,
    key: Vec<u8>,
    signer: EcdsaKeyPair,
    pub(super) is_rfc6962: bool,
    pub(super) shown: Arc<Shown>,
}

pub(super) struct Shown {
    pub(super) folder: Mutex<PathBuf>,
    pub(super) checkpoint: Mutex<String>,
    /// The same as a tree head of RFC 6962.
    tree_head: Mutex<String>,
    /// Whether proofs of consistency are wrong.
    pub(super) lies: AtomicBool,
    /// Octets that were given, of what it is that tells of the whole log and not of its entries.
    pub(super) octets_beside_data: AtomicU64,
    asked: Mutex<BTreeMap<String, u32>>,
    /// Paths that are answered with 503 once each.
    pub(super) busy_once: Mutex<BTreeSet<String>>,
    /// What everything is answered with, and a `Retry-After` of ten minutes.
    pub(super) busy: Mutex<Option<StatusCode>>,
}

impl Log {
    pub(super) async fn start(folder: PathBuf) -> Self {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let document = document.unwrap();
        let signer =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap();
        // The SubjectPublicKeyInfo of a point on P-256 has this in front.
        let mut key = STANDARD
            .decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=")
            .unwrap();
        key.extend(signer.public_key().as_ref());
        let shown = Arc::new(Shown {
            folder: Mutex::new(folder),
            checkpoint: Mutex::default(),
            tree_head: Mutex::default(),
            lies: AtomicBool::default(),
            octets_beside_data: AtomicU64::default(),
            asked: Mutex::default(),
            busy_once: Mutex::default(),
            busy: Mutex::default(),
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shown));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let log = Self {
            url,
            key,
            signer,
            is_rfc6962: false,
            shown,
        };
        log.show(1_024, &STANDARD.decode(ROOT).unwrap().try_into().unwrap());
        log
    }

    /// The same log by the protocol of RFC 6962.
    pub(super) async fn rfc6962(folder: PathBuf) -> Self {
        Self {
            is_rfc6962: true,
            ..Self::start(folder).await
        }
    }

    /// Signs a tree.
    pub(super) fn show(&self, size: u64, root: &Hash) {
        let tree = SignedTree {
            size,
            root: *root,
            timestamp_ms: 1_746_292_700_000,
            algorithm: [4, 3],
            signature: Vec::new(),
        };
        let signature = self.signer.sign(&SystemRandom::new(), &tree.signed());
        let signature = signature.unwrap();
        let id = log_id(&self.key);
        let name: [u8; 32] = Sha256::digest([ORIGIN.as_bytes(), b"\n\x05", &id].concat()).into();
        let mut of_tls = vec![4, 3];
        let length = u16::try_from(signature.as_ref().len()).unwrap();
        of_tls.extend(length.to_be_bytes());
        of_tls.extend(signature.as_ref());
        let mut octets = name[..4].to_vec();
        octets.extend(tree.timestamp_ms.to_be_bytes());
        octets.extend(&of_tls);
        *self.shown.checkpoint.lock().unwrap() = format!(
            "{ORIGIN}\n{size}\n{}\n\n— {ORIGIN} {}\n",
            STANDARD.encode(root),
            STANDARD.encode(octets)
        );
        let head = json!({
            "tree_size": size,
            "timestamp": tree.timestamp_ms,
            "sha256_root_hash": STANDARD.encode(root),
            "tree_head_signature": STANDARD.encode(of_tls),
        });
        *self.shown.tree_head.lock().unwrap() = head.to_string();
    }

    pub(super) fn in_list(&self, description: &str) -> String {
        if self.is_rfc6962 {
            return format!(
                r#"{{"description":"{description}","log_id":"{}","key":"{}","url":"{}/","mmd":60,
                "state":{{"usable":{{"timestamp":"2025-01-01T00:00:00Z"}}}}}}"#,
                STANDARD.encode(log_id(&self.key)),
                STANDARD.encode(&self.key),
                self.url
            );
        }
        format!(
            r#"{{"description":"{description}","log_id":"{}","key":"{}",
            "submission_url":"https://{ORIGIN}/","monitoring_url":"{}/","mmd":60,
            "state":{{"usable":{{"timestamp":"2025-01-01T00:00:00Z"}}}}}}"#,
            STANDARD.encode(log_id(&self.key)),
            STANDARD.encode(&self.key),
            self.url
        )
    }

    pub(super) fn asked(&self, part: &str) -> u32 {
        let asked = self.shown.asked.lock().unwrap();
        let of = asked.iter().filter(|(path, _)| path.contains(part));
        of.map(|(_, count)| count).sum()
    }
}

async fn serve(State(shown): State<Arc<Shown>>, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/').to_owned();
    *shown.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
    if let Some(status) = *shown.busy.lock().unwrap() {
        return (status, [(RETRY_AFTER, "600")]).into_response();
    }
    let (status, octets) = answer(&shown, &path, uri.query().unwrap_or_default());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return (status, [(RETRY_AFTER, "1")]).into_response();
    }
    if !path.starts_with("tile/data/") {
        let length = octets.len() as u64;
        shown.octets_beside_data.fetch_add(length, Ordering::SeqCst);
    }
    (status, octets).into_response()
}

fn answer(shown: &Shown, path: &str, query: &str) -> (StatusCode, Vec<u8>) {
    if shown.busy_once.lock().unwrap().remove(path) {
        return (StatusCode::SERVICE_UNAVAILABLE, Vec::new());
    }
    let number = |name: &str| -> usize {
        let mut parameters = query.split('&').filter_map(|part| part.split_once('='));
        let (_, value) = parameters.find(|(of, _)| *of == name).unwrap();
        value.parse().unwrap()
    };
    let folder = shown.folder.lock().unwrap().clone();
    let text = match path {
        "checkpoint" => shown.checkpoint.lock().unwrap().clone(),
        "ct/v1/get-sth" => shown.tree_head.lock().unwrap().clone(),
        "ct/v1/get-sth-consistency" => {
            let (first, second) = (number("first"), number("second"));
            let mut proof = proof(first, &leaf_hashes(&folder)[..second], true);
            if shown.lies.load(Ordering::SeqCst) {
                proof[0][0] ^= 1;
            }
            let proof: Vec<String> = proof.iter().map(|hash| STANDARD.encode(hash)).collect();
            json!({ "consistency": proof }).to_string()
        }
        "ct/v1/get-entries" => {
            let inputs = leaf_inputs(&folder);
            // As many logs do, no more than a hundred at once.
            let range = number("start")..(number("end") + 1).min(number("start") + 100);
            let entry =
                |input: &Vec<u8>| json!({ "leaf_input": STANDARD.encode(input), "extra_data": "" });
            let entries: Vec<_> = inputs[range].iter().map(entry).collect();
            json!({ "entries": entries }).to_string()
        }
        _ => {
            return match tile(&folder, path) {
                Some(octets) => (StatusCode::OK, octets),
                None => (StatusCode::NOT_FOUND, Vec::new()),
            };
        }
    };
    (StatusCode::OK, text.into_bytes())
}

/// A tile, of which the folder has the whole or a longer part.
fn tile(folder: &Path, path: &str) -> Option<Vec<u8>> {
    let Some((whole, width)) = path.split_once(".p/").filter(|_| !path.contains("data")) else {
        return std::fs::read(folder.join(path)).ok();
    };
    let octets = std::fs::read(folder.join(whole));
    let octets = octets.or_else(|_| std::fs::read(folder.join(format!("{whole}.p/4"))));
    let octets = octets.ok()?;
    Some(octets.get(..width.parse::<usize>().ok()? * 32)?.to_vec())
}

/// The hashes of all entries of a folder of four tiles.
pub(super) fn leaf_hashes(folder: &Path) -> Vec<Hash> {
    let tile = |number| std::fs::read(folder.join(format!("tile/0/{number:03}"))).unwrap();
    let octets: Vec<u8> = (0..4).flat_map(tile).collect();
    octets
        .chunks(32)
        .map(|hash| hash.try_into().unwrap())
        .collect()
}

fn leaf_inputs(folder: &Path) -> Vec<Vec<u8>> {
    let inputs = |number| {
        let octets = std::fs::read(folder.join(format!("tile/data/{number:03}"))).unwrap();
        let leaves = Leaf::of_tile(&octets).unwrap();
        leaves.iter().map(Leaf::leaf_input).collect::<Vec<_>>()
    };
    (0..4).flat_map(inputs).collect()
}

/// The root of a tree (RFC 9162 section 2.1.1), as it is written there.
pub(super) fn root(hashes: &[Hash]) -> Hash {
    if let [only] = hashes {
        return *only;
    }
    let (left, right) = hashes.split_at(half(hashes.len()));
    node_hash(&root(left), &root(right))
}

/// That a tree begins with that of its first `size` leaves (section 2.1.4.1, SUBPROOF).
fn proof(size: usize, hashes: &[Hash], is_whole: bool) -> Vec<Hash> {
    if size == hashes.len() {
        return if is_whole {
            Vec::new()
        } else {
            vec![root(hashes)]
        };
    }
    let (left, right) = hashes.split_at(half(hashes.len()));
    if size <= left.len() {
        let mut path = proof(size, left, is_whole);
        path.push(root(right));
        path
    } else {
        let mut path = proof(size - left.len(), right, false);
        path.push(root(left));
        path
    }
}

/// The largest power of two below a number.
fn half(leaves: usize) -> usize {
    leaves.next_power_of_two() / 2
}

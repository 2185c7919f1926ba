//! A log of Certificate Transparency: a folder of real tiles on a server of its own, under a key of its
//! own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use offpeak::domain::transparency::checkpoint::{SignedTree, log_id};
use offpeak::domain::transparency::merkle::Hash;
use sha2::{Digest as _, Sha256};

/// As the folder's own page says.
pub(super) const ROOT: &str = "EMfGG85uIddeOXt5/wdQGP3IQd0COCqoLg9Q6CsPLJA=";
pub(super) const ORIGIN: &str = "log.example/2025h2";

/// The log's folder on a server of its own, which counts what it is asked for.
pub(super) struct Log {
    url: String,
    key: Vec<u8>,
    signer: EcdsaKeyPair,
    pub(super) shown: Arc<Shown>,
}

pub(super) struct Shown {
    folder: PathBuf,
    pub(super) checkpoint: Mutex<String>,
    asked: Mutex<BTreeMap<String, u32>>,
    /// Paths that are answered with 503 once each.
    pub(super) busy_once: Mutex<BTreeSet<String>>,
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
            folder,
            checkpoint: Mutex::default(),
            asked: Mutex::default(),
            busy_once: Mutex::default(),
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shown));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let log = Self {
            url,
            key,
            signer,
            shown,
        };
        log.show(1_024, &STANDARD.decode(ROOT).unwrap().try_into().unwrap());
        log
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
        let mut octets = name[..4].to_vec();
        octets.extend(tree.timestamp_ms.to_be_bytes());
        octets.extend([4, 3]);
        octets.extend(
            u16::try_from(signature.as_ref().len())
                .unwrap()
                .to_be_bytes(),
        );
        octets.extend(signature.as_ref());
        *self.shown.checkpoint.lock().unwrap() = format!(
            "{ORIGIN}\n{size}\n{}\n\n— {ORIGIN} {}\n",
            STANDARD.encode(root),
            STANDARD.encode(octets)
        );
    }

    pub(super) fn in_list(&self, description: &str) -> String {
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

async fn serve(State(shown): State<Arc<Shown>>, uri: Uri) -> (StatusCode, Vec<u8>) {
    let path = uri.path().trim_start_matches('/').to_owned();
    *shown.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
    if shown.busy_once.lock().unwrap().remove(&path) {
        return (StatusCode::SERVICE_UNAVAILABLE, Vec::new());
    }
    if path == "checkpoint" {
        let text = shown.checkpoint.lock().unwrap().clone();
        return (StatusCode::OK, text.into_bytes());
    }
    match std::fs::read(shown.folder.join(&path)) {
        Ok(octets) => (StatusCode::OK, octets),
        Err(_) => (StatusCode::NOT_FOUND, Vec::new()),
    }
}

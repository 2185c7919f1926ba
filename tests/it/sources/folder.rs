//! A folder into which certificates are put.

use std::fs;
use std::sync::Arc;

use offpeak::config::Config;
use offpeak::engine::Engine;
use offpeak::engine::clock::ManualClock;
use offpeak::source::folder::read_once;
use offpeak::store::{Migrations, connect};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::support::fresh_sqlite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_put_into_a_folder_are_registered_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[[source]]\nname = \"live\"\nkind = \"folder\"\npath = \"{}\"\n",
        folder.path().display()
    );
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at("2026-11-28T12:00:00Z".parse().unwrap()));
    let config = Config::parse(&text).unwrap();
    let engine = Engine::open(store, config, clock).await.unwrap();
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(ca, ca_key);
    for name in ["a", "b"] {
        // Its number is made of it.
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([format!("{name}.example")]).unwrap();
        params.use_authority_key_identifier_extension = true;
        params.not_before = date_time_ymd(2026, 11, 1);
        params.not_after = date_time_ymd(2027, 1, 30);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let inner = folder.path().join(name);
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("cert.pem"), certificate.pem()).unwrap();
        fs::write(inner.join("privkey.pem"), key.serialize_pem()).unwrap();
        fs::write(inner.join("README"), "no certificate").unwrap();
    }
    read_once(&engine, &source).await.unwrap();
    read_once(&engine, &source).await.unwrap();
    assert_eq!(engine.certificates_indexed(), 2);
    assert_eq!(engine.source_reports()[0].state.name(), "reading");
    fs::remove_dir_all(folder.path()).unwrap();
    let refused = read_once(&engine, &source).await.unwrap_err().to_string();
    assert!(refused.contains("No such file"), "{refused}");
}

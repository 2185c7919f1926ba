//! Looking a certificate up: its CertID is computed in the browser, as offpeak computes it.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SerialNumber};

use super::*;
use crate::process::offpeak;
use crate::tools::run;

/// A certificate with this serial, issued by a CA, in PEM.
pub(super) fn certificate(serial: &[u8]) -> String {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(ca, ca_key);
    let mut leaf = CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
    leaf.serial_number = Some(SerialNumber::from_slice(serial));
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    leaf.signed_by(&key, &issuer).unwrap().pem()
}

fn paste(browser: &mut Browser, pem: &str) -> String {
    browser.evaluate(&format!(
        "{{ const field = document.querySelector('#pem'); field.value = {};
           field.dispatchEvent(new Event('input')); }}",
        json!(pem)
    ));
    browser.text("#certid")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_computes_the_cert_id_that_offpeak_computes() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::known().await;
    scene.open(&mut browser, "/");
    let folder = tempfile::tempdir().unwrap();
    // With and without a sign octet, short, and as long as RFC 5280 allows.
    for serial in [
        &[0x87, 0x65, 0x43, 0x21][..],
        &[0x04],
        &[0x7f; 20],
        &[0xff; 19],
    ] {
        let pem = certificate(serial);
        let file = folder.path().join("leaf.pem");
        std::fs::write(&file, &pem).unwrap();
        let line = run(offpeak().arg("certid").arg(&file));
        let want = line.split('\t').next().unwrap().to_owned();
        assert_eq!(paste(&mut browser, &pem), want, "{serial:?}");
        // A chain counts by its first, and text around it does not.
        let chain = format!("subject=host\n{pem}{}", certificate(&[1]));
        assert_eq!(paste(&mut browser, &chain), want, "{serial:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_late_does_not_replace_what_is_looked_at() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::known().await;
    scene.open(&mut browser, "/");
    browser.evaluate(
        "{ const real = globalThis.fetch; let late = 300; globalThis.answered = 0;
           globalThis.fetch = async (...of) => { const wait = late; late = 0;
               await new Promise((done) => setTimeout(done, wait));
               try { return await real(...of); } finally { setTimeout(() => { globalThis.answered += 1; }, 50); } }; }",
    );
    let first = paste(&mut browser, &certificate(&[1]));
    let second = paste(&mut browser, &certificate(&[2]));
    assert_ne!(first, second);
    browser.until("globalThis.answered >= 2");
    assert_eq!(browser.text("#certid"), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_window_is_shown_with_how_busy_its_hours_are() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::known().await;
    scene.open(&mut browser, "/");
    let pem = certificate(&[0x11, 0x22]);
    let id = paste(&mut browser, &pem);
    browser.until("document.querySelector('#found').innerText.includes('none:')");
    let issuer = id.split('.').next().unwrap();
    let mut configured = config();
    configured.cas[0].issuers = vec![issuer.parse().unwrap()];
    Arc::clone(&scene.server.engine)
        .reconfigure(configured)
        .await
        .unwrap();
    scene
        .server
        .register(&id, NOW - HOUR, NOW + 90 * 24 * HOUR)
        .await;
    paste(&mut browser, &pem);
    browser
        .until("document.querySelector('#found').innerText.includes('of the mean in these hours')");
    let answer = scene.server.get(&format!("/renewal-info/{id}")).await;
    let answer: Value = answer.json().await.unwrap();
    let start = answer["suggestedWindow"]["start"].as_str().unwrap();
    let found = browser.text("#found");
    assert!(found.contains(&start[11..16]), "{start}: {found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_certificate_is_refused_in_words() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::known().await;
    scene.open(&mut browser, "/");
    let mut cut = certificate(&[5]).replace(['\n', '\r'], "");
    cut.truncate(300);
    for (text, want) in [
        ("hello", "there is no certificate in it"),
        (
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
            "no base64",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
            "no DER certificate",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nMIA=\n-----END CERTIFICATE-----",
            "no DER certificate",
        ),
        (&format!("{cut}\n-----END CERTIFICATE-----"), "be looked up"),
    ] {
        paste(&mut browser, text);
        let found = browser.text("#found");
        assert!(found.contains(want), "{text}: {found}");
    }
}

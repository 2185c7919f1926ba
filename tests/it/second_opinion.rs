//! CertIDs as other implementations compute them, from certbot's libraries.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::der::{Parts, authority, pem};
use crate::real_certificates::{logged, tiled};
use crate::tools::tool;

/// Certificates of our own making that the Python packages read too.
fn made() -> Vec<Vec<u8>> {
    let with_serial = |serial: &[u8]| {
        let mut params = rcgen::CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
        params.serial_number = Some(rcgen::SerialNumber::from_slice(serial));
        params.use_authority_key_identifier_extension = true;
        let mut ca = rcgen::CertificateParams::default();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = rcgen::Issuer::new(ca, rcgen::KeyPair::generate().unwrap());
        let key = rcgen::KeyPair::generate().unwrap();
        params.signed_by(&key, &issuer).unwrap().der().to_vec()
    };
    let serials = [
        &[0x01][..],
        &[0x7f; 20],
        &[0x80],
        &[0xff; 20],
        &[0x87, 0x65, 0x43, 0x21],
    ];
    serials.into_iter().map(with_serial).collect()
}

/// What `offpeak certid` prints of these files.
fn ours(files: &[String]) -> HashMap<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_offpeak"))
        .arg("certid")
        .args(files)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let (id, file) = line.split_once('\t').unwrap();
            (file.to_owned(), id.to_owned())
        })
        .collect()
}

#[test]
fn certbots_libraries_compute_the_same_certids() {
    let Some(python) = tool("OFFPEAK_TEST_PYTHON") else {
        return;
    };
    both_compute_the_same(&python, &made());
}

#[test]
fn certbots_libraries_compute_the_same_certids_of_real_certificates() {
    let Some(python) = tool("OFFPEAK_TEST_PYTHON") else {
        return;
    };
    let (Some(logged), Some(tiled)) = (logged(), tiled()) else {
        return;
    };
    let mut ders = tiled;
    ders.extend(logged.into_iter().map(|entry| entry.der));
    both_compute_the_same(&python, &ders);
}

fn both_compute_the_same(python: &Path, ders: &[Vec<u8>]) {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<String> = ders
        .iter()
        .enumerate()
        .map(|(number, der)| {
            let path = folder.path().join(format!("{number}.pem"));
            std::fs::write(&path, pem("CERTIFICATE", der)).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let ours = ours(&files);
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/certid_second_opinion.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(files.join("\n").as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let theirs = String::from_utf8(output.stdout).unwrap();
    let mut compared = 0;
    for line in theirs.lines() {
        let mut cells = line.split('\t');
        let file = cells.next().unwrap();
        for opinion in cells {
            assert_eq!(ours[file], opinion, "{file}");
            compared += 1;
        }
    }
    assert_eq!(compared, 2 * files.len());
}

#[test]
fn certid_names_what_has_none_and_says_so_in_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = Parts::default();
    let none = Parts {
        extensions: vec![],
        ..Parts::default()
    };
    let reversed = Parts {
        not_after: good.not_before.clone(),
        not_before: good.not_after.clone(),
        extensions: vec![authority(&[1]), crate::der::ca_constraints()],
        ..Parts::default()
    };
    let chain = file(
        "chain.pem",
        format!(
            "{}{}",
            pem("CERTIFICATE", &good.der()),
            pem("CERTIFICATE", &reversed.der())
        )
        .as_bytes(),
    );
    let none = file("none.der", &none.der());
    let missing = folder
        .path()
        .join("missing.pem")
        .to_str()
        .unwrap()
        .to_owned();
    let output = Command::new(env!("CARGO_BIN_EXE_offpeak"))
        .args(["certid", &chain, &none, &missing])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        format!("QkJCQkJCQkJCQkJCQkJCQkJCQkI.AIdlQyE\t{chain}")
    );
    assert_eq!(lines[1], format!("AQ.AIdlQyE\t{chain}"));
    let reason = "line 1, authorityKeyIdentifier: the certificate has none";
    assert_eq!(lines[2], format!("-\t{none}\t{reason}"));
    assert!(
        lines[3].starts_with(&format!("-\t{missing}\tNo such file")),
        "{}",
        lines[3]
    );
    assert_eq!(lines.len(), 4);
}

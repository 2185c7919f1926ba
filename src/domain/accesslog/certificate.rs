//! Certificates in log lines: encoded, or as a serial number with dates.

use std::borrow::Cow;

use serde::Deserialize;

use super::json::{Scalar, from_text};
use super::{boulder, time as times};
use crate::time::Timestamp;

/// A certificate in the form in which a line contains it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// DER in base64.
    Base64(String),
    /// The serial number and dates, without the issuer.
    Dates {
        /// In hexadecimal.
        serial: String,
        /// In the line's notation.
        not_before: String,
        /// In the line's notation.
        not_after: String,
    },
    /// DER in hexadecimal.
    Hexadecimal(String),
    /// PEM, with line breaks.
    Pem(String),
}

/// A certificate, and when it was issued.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// The certificate.
    pub certificate: Certificate,
    /// When it was issued, if the line is about its issuance.
    pub issued_at: Option<Timestamp>,
}

impl Certificate {
    /// Recognises PEM, whose line breaks may be written as `\n`, or DER in hexadecimal or base64.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        if text.contains("-----BEGIN CERTIFICATE-----") {
            return Some(Self::Pem(text.replace("\\n", "\n")));
        }
        let is_hexadecimal = text.bytes().all(|octet| octet.is_ascii_hexdigit());
        // A hyphen means that there is none.
        match text.len() {
            0..=64 => None,
            _ if is_hexadecimal => Some(Self::Hexadecimal(text.to_owned())),
            _ => Some(Self::Base64(text.to_owned())),
        }
    }
}

/// Boulder's certificate authority logs signed certificates in hexadecimal, as a field or in an
/// object. Its registration authority logs serial number and dates.
pub(super) fn boulder(line: &str) -> Option<Shown> {
    if let Some((_, behind)) = line.split_once("Signing cert success") {
        let fields = [("certificate=[", ']'), ("\"Certificate\":\"", '"')];
        let certificate = fields.into_iter().find_map(|(before, after)| {
            let (_, text) = behind.split_once(before)?;
            Certificate::of_text(text.split_once(after)?.0)
        });
        return Some(Shown {
            certificate: certificate?,
            issued_at: boulder::time(line),
        });
    }
    let (_, json) = line.split_once("Certificate request - successful JSON=")?;
    let read: Audit = serde_json::from_str(json.trim_end()).ok()?;
    let issued_at = read.response_time.as_deref().and_then(times::any);
    Some(Shown {
        certificate: Certificate::Dates {
            serial: read.serial,
            not_before: read.not_before,
            not_after: read.not_after,
        },
        issued_at: issued_at.or_else(|| boulder::time(line)),
    })
}

#[derive(Deserialize)]
struct Audit {
    #[serde(rename = "SerialNumber")]
    serial: String,
    #[serde(rename = "NotBefore")]
    not_before: String,
    #[serde(rename = "NotAfter")]
    not_after: String,
    #[serde(rename = "ResponseTime")]
    response_time: Option<String>,
}

/// `response.data.certificate` of `OpenBao`'s audit log, and `http_raw_body`, in which ACME returns
/// certificates, if these are configured not to be hashed (`audit_non_hmac_response_keys`).
pub(super) fn openbao(line: &str) -> Option<Shown> {
    let read: OpenBao<'_> = serde_json::from_str(line).ok()?;
    let data = read.response.data;
    let is_issuance =
        data.certificate.is_some() && matches!(&*read.request.operation, "update" | "create");
    Some(Shown {
        certificate: Certificate::of_text(&data.certificate.or(data.http_raw_body)?)?,
        issued_at: read.time.time().filter(|_| is_issuance),
    })
}

#[derive(Deserialize)]
struct OpenBao<'a> {
    #[serde(borrow)]
    time: Scalar<'a>,
    #[serde(borrow)]
    request: OpenBaoRequest<'a>,
    #[serde(borrow)]
    response: OpenBaoResponse<'a>,
}

#[derive(Deserialize)]
struct OpenBaoRequest<'a> {
    #[serde(borrow)]
    operation: Cow<'a, str>,
}

#[derive(Deserialize)]
struct OpenBaoResponse<'a> {
    #[serde(borrow)]
    data: OpenBaoData<'a>,
}

#[derive(Deserialize)]
struct OpenBaoData<'a> {
    #[serde(borrow)]
    certificate: Option<Cow<'a, str>>,
    #[serde(borrow)]
    http_raw_body: Option<Cow<'a, str>>,
}

/// The field `certificate` of a request that step-ca answered with a certificate, to issue it or
/// (in ACME) to download it.
pub(super) fn step_ca(line: &str) -> Option<Shown> {
    let in_text;
    let json = if line.starts_with('{') {
        line
    } else {
        in_text = from_text(line)?;
        &in_text
    };
    let read: StepCa<'_> = serde_json::from_str(json).ok()?;
    Some(Shown {
        certificate: Certificate::of_text(&read.certificate)?,
        issued_at: None,
    })
}

#[derive(Deserialize)]
struct StepCa<'a> {
    #[serde(borrow)]
    certificate: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Option<Timestamp> {
        "2026-11-28T12:30:13Z".parse().ok()
    }

    fn der() -> String {
        "3082".repeat(40)
    }

    #[test]
    fn boulder_shows_what_it_signed_and_what_it_answered() {
        let head = "2026-11-28T12:30:13Z 6 boulder-ca u7jC1QE [AUDIT] Signing cert success";
        for line in [
            format!(
                "{head}: serial=[03] regID=[1] names=[x] certificate=[{}]",
                der()
            ),
            format!(
                r#"{head} JSON={{"Issuer":"x","Result":{{"Certificate":"{}"}}}}"#,
                der()
            ),
        ] {
            let want = Shown {
                certificate: Certificate::Hexadecimal(der()),
                issued_at: at(),
            };
            assert_eq!(boulder(&line), Some(want), "{line}");
            // A precertificate is followed by its certificate.
            assert_eq!(
                boulder(&line.replace("cert success", "precert success")),
                None
            );
        }
        let line = r#"2026-11-28T12:30:14Z 6 boulder-ra x [AUDIT] Certificate request - successful JSON={"ID":"x","ResponseTime":"2026-11-28T12:30:13.9Z","SerialNumber":"03aa","NotBefore":"2026-11-28T11:31:43Z","NotAfter":"2027-02-26T11:31:42Z"}"#;
        let shown = boulder(line).unwrap();
        assert_eq!(shown.issued_at, at());
        let Certificate::Dates {
            serial, not_after, ..
        } = shown.certificate
        else {
            panic!("{line}");
        };
        assert_eq!((&*serial, &*not_after), ("03aa", "2027-02-26T11:31:42Z"));
        assert_eq!(boulder(&line.replace("successful", "error")), None);
    }

    #[test]
    fn openbao_and_step_ca_show_certificates_in_a_field() {
        let line = r#"{"time":"2026-11-28T12:30:13.1Z","type":"response","request":{"operation":"update","path":"pki/issue/web"},"response":{"data":{"certificate":"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"}}}"#;
        let shown = openbao(line).unwrap();
        assert_eq!(shown.issued_at, at());
        assert!(matches!(&shown.certificate, Certificate::Pem(text) if text.contains("\nMIIB\n")));
        assert_eq!(
            openbao(&line.replace("update", "read")).unwrap().issued_at,
            None
        );
        // A certificate downloaded by ACME was issued before.
        let fetched = openbao(&line.replace("\"certificate\"", "\"http_raw_body\"")).unwrap();
        assert_eq!(
            (fetched.certificate, fetched.issued_at),
            (shown.certificate, None)
        );
        // The default, without configuration.
        let start = line.find("-----BEGIN").unwrap();
        let end = line.rfind("\"}}}").unwrap();
        let hashed = format!("{}hmac-sha256:00{}", &line[..start], &line[end..]);
        assert_eq!(openbao(&hashed), None);
        let base64 = "MIIB".repeat(30);
        for line in [
            format!(r#"{{"certificate":"{base64}","method":"POST","time":"x"}}"#),
            format!(r#"time="x" certificate="{base64}" method=POST"#),
        ] {
            let shown = step_ca(&line).unwrap();
            assert_eq!(
                shown.certificate,
                Certificate::Base64(base64.clone()),
                "{line}"
            );
        }
    }
}

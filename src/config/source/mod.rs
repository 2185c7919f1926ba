//! `[[source]]`: a source of load.

use std::collections::HashMap;

use toml::de::DeValue;

use super::error::Problems;
use super::hint::did_you_mean;
use super::section::Section;
use super::{named, token, value};
use crate::domain::policy::ca::{CaName, CaPolicy};

mod columns;
mod csv;
mod ct;
mod folder;
mod log;
mod peer;
mod probe;
mod prometheus;
mod ranking;
mod sql;

pub use columns::ColumnsConfig;
pub use csv::CsvConfig;
pub use ct::{CtConfig, budget as octets_a_day, reachable as contact};
pub use folder::FolderConfig;
pub use log::LogConfig;
pub use peer::PeerConfig;
pub use probe::{OrderConfig, ProbeConfig};
pub use prometheus::PrometheusConfig;
pub use ranking::RankingConfig;
pub use sql::SqlConfig;

/// A source of load, and its CA.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// Its name in logs and metrics, under which its position is stored.
    pub name: String,
    /// The CA whose load it reports. `None`, only for the kinds `ct` and `folder`: every CA with
    /// issuers.
    pub ca: Option<CaName>,
    /// What it reads.
    pub kind: SourceKind,
}

/// What a source reads.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// A file of counts or events.
    Csv(CsvConfig),
    /// Logs of Certificate Transparency.
    Ct(CtConfig),
    /// A folder of certificates.
    Folder(FolderConfig),
    /// A growing log file.
    Log(LogConfig),
    /// Another offpeak server.
    Peer(PeerConfig),
    /// A CA, from outside.
    Probe(ProbeConfig),
    /// A counter in a Prometheus server.
    Prometheus(PrometheusConfig),
    /// A ranking that another server has published.
    Ranking(RankingConfig),
    /// Another database.
    Sql(SqlConfig),
}

impl SourceKind {
    /// Its name in the file.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Ct(_) => "ct",
            Self::Folder(_) => "folder",
            Self::Log(_) => "log",
            Self::Peer(_) => "peer",
            Self::Probe(_) => "probe",
            Self::Prometheus(_) => "prometheus",
            Self::Ranking(_) => "ranking",
            Self::Sql(_) => "sql",
        }
    }
}

/// The kinds, by their names in the file.
const KINDS: [&str; 9] = [
    "csv",
    "ct",
    "folder",
    "log",
    "peer",
    "probe",
    "prometheus",
    "ranking",
    "sql",
];

/// The names of the sources read so far, and where each was read.
type Seen = HashMap<String, String>;

/// All valid sources; problems of the others are added.
pub(super) fn all(
    root: &mut Section<'_>,
    cas: &[CaPolicy],
    problems: &mut Problems<'_>,
) -> Vec<SourceConfig> {
    let mut seen = Seen::new();
    let mut found = Vec::new();
    for mut section in root.sections("source", problems) {
        // Without its kind, the keys that it may have are not known.
        if let Some(kind) = section.require("kind", problems, kind) {
            found.extend(read(kind, &mut section, &mut seen, cas, problems));
            section.finish(problems);
        }
    }
    found
}

fn read(
    kind: &str,
    section: &mut Section<'_>,
    seen: &mut Seen,
    cas: &[CaPolicy],
    problems: &mut Problems<'_>,
) -> Option<SourceConfig> {
    let path = section.path_of("");
    let name = section.require("name", problems, |v| {
        let name = token::name(value::text(v)?)?;
        match seen.insert(name.clone(), path.clone()) {
            None => Ok(name),
            Some(other) => Err(format!("{name:?} is the name of {other} too")),
        }
    });
    let has_ca = section.has("ca");
    let ca = section.read("ca", problems, |v| named::ca(v, cas));
    // Certificates belong to CAs by their issuers.
    let needs_ca = !matches!(kind, "ct" | "folder");
    if needs_ca && !has_ca {
        section.fault("ca", problems, "is missing");
    }
    let kind = match kind {
        "csv" => SourceKind::Csv(csv::read(section, problems)?),
        "ct" => SourceKind::Ct(ct::read(section, problems)?),
        "folder" => SourceKind::Folder(folder::read(section, problems)?),
        "log" => SourceKind::Log(log::read(section, problems)?),
        "peer" => SourceKind::Peer(peer::read(section, problems)?),
        "probe" => SourceKind::Probe(probe::read(section, problems)?),
        "prometheus" => SourceKind::Prometheus(prometheus::read(section, problems)?),
        "ranking" => SourceKind::Ranking(ranking::read(section, problems)?),
        _ => SourceKind::Sql(sql::read(section, problems)?),
    };
    if ca.is_none() && (needs_ca || has_ca) {
        return None;
    }
    Some(SourceConfig {
        name: name?,
        ca,
        kind,
    })
}

fn kind(value: &DeValue<'_>) -> Result<&'static str, String> {
    let given = value::text(value)?;
    KINDS
        .into_iter()
        .find(|kind| *kind == given)
        .ok_or_else(|| {
            let hint = did_you_mean(given, KINDS);
            format!("{given:?} is no kind of source: {}{hint}", KINDS.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn faults(text: &str) -> Vec<String> {
        let found = Config::parse(text).unwrap_err();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let text = concat!(
            "[[source]]\nname = \"le\"\nkind = \"ct\"\nlog_list = \"l.json\"\n",
            "contact = \"mailto:ops@example.org\"\n",
            "[[source]]\nname = \"front\"\nca = \"default\"\nkind = \"log\"\n",
            "path = \"/var/log/a.log\"\nformat = \"caddy\"\n",
        );
        let read = Config::parse(text).unwrap().sources;
        let kinds: Vec<_> = read.iter().map(|one| one.kind.name()).collect();
        assert_eq!(kinds, ["ct", "log"]);
        assert_eq!(read[0].ca, None);
        assert_eq!(Config::parse("").unwrap().sources, []);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = concat!(
            "[[source]]\nname = \"a b\"\nkind = \"ct\"\nlog_list = \"\"\nbudget = \"2 GB\"\n",
            "[[source]]\nname = \"x\"\nkind = \"logs\"\npath = \"p\"\n",
            "[[source]]\nname = \"y\"\nkind = \"log\"\nca = \"none\"\nformat = \"w3c\"\n",
            "[[source]]\nname = \"y\"\nkind = \"log\"\npath = \"p\"\nformat = \"pattern\"\nca = \"default\"\n",
            "[[source]]\nname = \"z\"\nkind = \"log\"\npath = \"p\"\nformat = \"caddy\"\nca = \"none\"\n",
            "[[source]]\nname = \"no-ca\"\nkind = \"log\"\npath = \"p\"\nformat = \"caddy\"\n",
        );
        let found = faults(text);
        for want in [
            "2: source[0].name",
            "4: source[0].log_list: names no file",
            "5: source[0].budget",
            "source[0].contact: is missing",
            "8: source[1].kind: \"logs\" is no kind of source: csv, ct, folder, log, peer, probe, prometheus, ranking, sql; did you mean \"log\"?",
            "16: source[3].name: \"y\" is the name of source[2] too",
            "14: source[2].format: \"w3c\"",
            "source[2].path: is missing",
            "pattern: is missing",
            "source[4].ca: no [[ca]] has the name \"none\"",
            "source[5].ca: is missing",
        ] {
            assert!(
                found.iter().any(|line| line.contains(want)),
                "{want}: {found:#?}"
            );
        }
        // Valid keys are not reported as unknown because of an error in another key.
        let unknown = |line: &String| line.contains("no such key");
        assert!(!found.iter().any(unknown), "{found:#?}");
    }
}

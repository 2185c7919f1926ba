//! What configuration files mean, and what is said of those that mean nothing.

#![expect(
    clippy::float_cmp,
    reason = "what is parsed is exactly what was written"
)]

use offpeak::config::{Config, ConfigError, Scope};
use offpeak::domain::policy::ca::{BandRule, CaName, CaPolicy};
use offpeak::domain::policy::capacity::{CapacityRule, When};
use offpeak::domain::time::{DAY, HOUR, Span};

mod cron;
mod note;
mod planned;
mod snapshot;

/// The example of the contract, its token's hash filled in.
const CONTRACT: &str = r#"
listen = "127.0.0.1:8080"
admin_listen = "127.0.0.1:8081"
base_url = "https://ari.example.com"      # never taken from the Host header
database = "sqlite:offpeak.db"
strict_issuers = false                    # false: an issuer that no CA claims belongs to the CA "default"
publish_interval = "24h"
retention = "400d"
[[token]]
name = "issuance"
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
scopes = ["ingest"]                       # or "admin"
[[ca]]
name = "example"                          # [a-z0-9-]{1,63}, unique
environment = "production"
issuers = ["aYhba4dGQEHhs3uEe6CuLN4ByNQ"] # as in a CertID
backdate = "3510s"                        # default 0
slot_minutes = 60
follow_prior = 0.3
steerable_share = 0.5
retry_after = "6h"
[[ca.band]]                               # the first that fits
min_life = "10d"
end = "2/3 - 2h"
length = "24h"
max_length = 0.2
[[ca.capacity]]                           # or from/to; `ceiling` in certificates per hour
cron = "50 0 * * *"
time_zone = "UTC"
duration = "10m"
capacity = 0
"#;

fn errors(text: &str) -> Vec<ConfigError> {
    Config::parse(text).expect_err(text)
}

fn one_ca(lines: &str) -> String {
    format!("[[ca]]\nname = \"x\"\n{lines}")
}

#[test]
fn the_contract_s_example_means_what_it_says() {
    let config = Config::parse(CONTRACT).unwrap();
    assert_eq!(config.listen, "127.0.0.1:8080");
    assert_eq!(config.admin_listen, "127.0.0.1:8081");
    assert_eq!(config.base_url.as_deref(), Some("https://ari.example.com"));
    assert_eq!(config.database, "sqlite:offpeak.db");
    assert!(!config.strict_issuers);
    assert_eq!(config.publish_interval_seconds, DAY);
    assert_eq!(config.retention_seconds, 400 * DAY);
    assert_eq!(config.tokens.len(), 1);
    assert_eq!(config.tokens[0].name, "issuance");
    assert_eq!(config.tokens[0].sha256[..4], [0x9f, 0x86, 0xd0, 0x81]);
    assert_eq!(config.tokens[0].scopes, [Scope::Ingest]);
    let example = CaPolicy {
        issuers: vec!["aYhba4dGQEHhs3uEe6CuLN4ByNQ".parse().unwrap()],
        backdate_seconds: 3_510,
        // Its one band is the first default; the second is there for the lives it leaves.
        bands: BandRule::DEFAULTS.to_vec(),
        capacity: vec![CapacityRule {
            when: When::Recurring {
                cron: Box::new("50 0 * * *".parse().unwrap()),
                zone: chrono_tz::Tz::UTC,
                duration_seconds: 600,
            },
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        }],
        ..CaPolicy::named("example".parse().unwrap())
    };
    assert_eq!(
        config.cas,
        [example, CaPolicy::named(CaName::default())],
        "unclaimed issuers belong to a CA that exists"
    );
}

#[test]
fn the_manual_s_example_is_a_valid_file_and_its_bands_are_the_default_ones() {
    let manual: String = include_str!("../../src/config/lib.rs")
        .lines()
        .skip_while(|line| *line != "//! ```toml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .flat_map(|line| [line.trim_start_matches("//!"), "\n"])
        .collect();
    let config = Config::parse(&manual).unwrap();
    let example = &config.cas[0];
    assert_eq!(example.bands, BandRule::DEFAULTS);
    assert_eq!(example.capacity.len(), 2);
    let span = Span {
        from: "2026-12-24T18:00:00Z".parse().unwrap(),
        to: "2026-12-27T06:00:00Z".parse().unwrap(),
    };
    let once = CapacityRule {
        when: When::Once(span),
        share: 0.5,
        ceiling_per_hour: Some(40_000.0),
        name: Some("hsm".to_owned()),
    };
    assert_eq!(example.capacity[1], once);
    let defaults = Config::default();
    assert_eq!(
        config.publish_interval_seconds,
        defaults.publish_interval_seconds
    );
    assert_eq!(config.retention_seconds, defaults.retention_seconds);
    assert_eq!(config.listen, defaults.listen);
    assert_eq!(config.admin_listen, defaults.admin_listen);
    assert_eq!(config.database, defaults.database);
    assert_eq!(config.snapshot_file(), defaults.snapshot_file());
}

#[test]
fn an_empty_file_means_the_same_as_none() {
    assert_eq!(Config::parse("").unwrap(), Config::default());
    assert_eq!(Config::default().cas, [CaPolicy::named(CaName::default())]);
}

#[test]
fn strict_issuers_need_no_ca_for_the_rest() {
    let config = Config::parse("strict_issuers = true").unwrap();
    assert_eq!(config.cas, []);
    let issuer = "aYhba4dGQEHhs3uEe6CuLN4ByNQ".parse().unwrap();
    assert_eq!(config.ca_of(&issuer), None);
    assert_eq!(Config::parse(CONTRACT).unwrap().ca_of(&issuer), Some(0));
    let other = "AAAA".parse().unwrap();
    assert_eq!(Config::parse(CONTRACT).unwrap().ca_of(&other), Some(1));
}

#[test]
fn bands_of_the_file_go_before_the_default_ones() {
    let config = Config::parse(&one_ca(
        "[[ca.band]]\nmin_life = \"30d\"\nend = 0.5\nlength = \"2d\"\nmax_length = \"1/4\"\n\
         [[ca.band]]\nmin_life = \"5d\"\nend = \"1/2 + 1h\"\nlength = 0.3\n",
    ))
    .unwrap();
    let [first, second, last] = config.cas[0].bands[..] else {
        panic!("{:?}", config.cas[0].bands);
    };
    assert_eq!(first.min_life_seconds, 30 * DAY);
    assert_eq!((first.end_fraction, first.end_offset_seconds), (0.5, 0));
    assert_eq!(
        (first.length_seconds, first.length_fraction),
        (2 * DAY, 1.0)
    );
    assert_eq!(first.max_length_fraction, 0.25);
    assert_eq!(
        (second.end_fraction, second.end_offset_seconds),
        (0.5, HOUR)
    );
    assert_eq!(second.length_fraction, 0.3);
    assert_eq!(
        second.max_length_fraction, 0.3,
        "never less than the length"
    );
    assert_eq!(
        last,
        BandRule::DEFAULTS[1],
        "the one for lives under 5 days"
    );
}

#[test]
fn every_problem_is_named_by_key_line_and_reason() {
    let ca = one_ca;
    let band = |lines: &str| one_ca(&format!("[[ca.band]]\n{lines}"));
    let rule = |lines: &str| one_ca(&format!("[[ca.capacity]]\n{lines}"));
    let token = |lines: &str| format!("[[token]]\n{lines}");
    let hash = format!("sha256 = \"{}\"\n", "ab".repeat(32));
    #[rustfmt::skip]
    let table: Vec<(String, usize, &str, &str)> = vec![
        // Of the file as TOML.
        ("\nlisten = 127.0.0.1:80".into(), 2, "listen", "this is no TOML"),
        ("retention = \"1d\"\nretention = \"2d\"".into(), 2, "retention", "duplicate key"),
        ("[[ca]\nname = \"x\"".into(), 1, "", "unclosed array table"),
        // Of the service.
        ("lisen = \"127.0.0.1:80\"".into(), 1, "lisen", "there is no such key; did you mean \"listen\"?"),
        ("\n\nworkers = 4".into(), 3, "workers", "there is no such key"),
        ("listen = 8080".into(), 1, "listen", "takes a text, not a number"),
        ("listen = \"8080\"".into(), 1, "listen", "no address to listen on"),
        ("admin_listen = \"x:99999\"".into(), 1, "admin_listen", "no address to listen on"),
        ("listen = \"h:1\"\nadmin_listen = \"h:1\"".into(), 2, "admin_listen", "the public listener's address too"),
        ("base_url = \"https://x/\"".into(), 1, "base_url", "ends with a slash"),
        ("base_url = \"ari.example.com\"".into(), 1, "base_url", "no absolute http or https URL"),
        ("database = \"mysql://x\"".into(), 1, "database", "this is no database"),
        ("strict_issuers = \"no\"".into(), 1, "strict_issuers", "takes true or false, not a text"),
        ("publish_interval = \"59s\"".into(), 1, "publish_interval", "shorter than 1m"),
        ("publish_interval = 60".into(), 1, "publish_interval", "takes a duration such as"),
        ("retention = \"23h\"".into(), 1, "retention", "shorter than 1d"),
        ("retention = \"forever\"".into(), 1, "retention", "is no duration"),
        ("retention = \"9999d\"".into(), 1, "retention", "longer than 3653d"),
        // Of a token.
        (token(&format!("{hash}scopes = [\"admin\"]")), 1, "token[0].name", "is missing"),
        (token(&format!("name = \"a b\"\n{hash}scopes = [\"admin\"]")), 2, "token[0].name", "is no name"),
        (token("name = \"a\"\nscopes = [\"admin\"]"), 1, "token[0].sha256", "is missing"),
        (token("name = \"a\"\nsha256 = \"x\"\nscopes = [\"admin\"]"), 3, "token[0].sha256", "64 hexadecimal digits"),
        (token(&format!("name = \"a\"\n{hash}")), 1, "token[0].scopes", "is missing"),
        (token(&format!("name = \"a\"\n{hash}scopes = []")), 4, "token[0].scopes", "opens nothing"),
        (token(&format!("name = \"a\"\n{hash}scopes = [\"ingest\", \"admn\"]")), 4, "token[0].scopes[1]", "did you mean \"admin\"?"),
        (token(&format!("name = \"a\"\n{hash}scopes = [\"admin\"]\n[[token]]\nname = \"a\"\nsha256 = \"{}\"\nscopes = [\"admin\"]", "cd".repeat(32))), 6, "token[1].name", "the name of token[0] too"),
        (token(&format!("name = \"a\"\n{hash}scopes = [\"admin\"]\n[[token]]\nname = \"b\"\n{hash}scopes = [\"admin\"]")), 7, "token[1].sha256", "token[0] is the same token"),
        ("[token]\nname = \"a\"".into(), 1, "token", "is a table: write [[token]]"),
        // Of a CA.
        ("[[ca]]".into(), 1, "ca[0].name", "is missing"),
        ("[[ca]]\nname = \"A\"".into(), 2, "ca[0].name", "is no CA name"),
        ("[[ca]]\nname = \"x\"\n[[ca]]\nname = \"x\"".into(), 4, "ca[1].name", "the name of ca[0] too"),
        ("ca = [1]".into(), 1, "ca[0]", "is a number: write [[ca]]"),
        (ca("environment = \"\""), 3, "ca[0].environment", "is no environment"),
        (ca("issuers = \"AAAA\""), 3, "ca[0].issuers", "is a text: write […]"),
        (ca("issuers = [\"AAAA\", \"A\"]"), 3, "ca[0].issuers[1]", "`offpeak ca CERT.pem` prints it"),
        (ca("issuers = [\"AAAA\",\n\"AAAA\"]"), 4, "ca[0].issuers[1]", "ca[0].issuers[0] is this issuer already"),
        (ca("issuers = [\"AAAA\"]\n[[ca]]\nname = \"y\"\nissuers = [\"AAAA\"]"), 6, "ca[1].issuers[0]", "ca[0].issuers[0] is this issuer already"),
        (ca("backdate = \"-1h\""), 3, "ca[0].backdate", "is no duration"),
        (ca("slot_minutes = 20"), 3, "ca[0].slot_minutes", "20 is none of 60, 30, 15 and 5"),
        (ca("slot_minutes = 60.0"), 3, "ca[0].slot_minutes", "takes a whole number"),
        (ca("slot_minutes = 9999999999999999999"), 3, "ca[0].slot_minutes", "beyond 64 bits"),
        (ca("follow_prior = 1.1"), 3, "ca[0].follow_prior", "1.1 is not between 0 and 1"),
        (ca("follow_prior = nan"), 3, "ca[0].follow_prior", "is no number"),
        (ca("steerable_share = -0.1"), 3, "ca[0].steerable_share", "not between 0 and 1"),
        (ca("retry_after = \"30s\""), 3, "ca[0].retry_after", "shorter than 1m"),
        (ca("retry_after = \"25h\""), 3, "ca[0].retry_after", "longer than 1d"),
        (ca("slots = 5"), 3, "ca[0].slots", "there is no such key"),
        // Of a band.
        (band("length = \"1h\""), 3, "ca[0].band[0].end", "is missing"),
        (band("end = 0.5"), 3, "ca[0].band[0].length", "is missing"),
        (band("end = \"x\"\nlength = \"1h\""), 4, "ca[0].band[0].end", "is no end"),
        (band("end = 0.2\nlength = \"1h\""), 4, "ca[0].band[0].end", "it lies at 0.2"),
        (band("end = \"2/3 - 6h\"\nlength = \"1h\""), 4, "ca[0].band[0].end", "of a life of 12h it lies at 0.17"),
        (band("end = 0.5\nlength = \"soon\""), 5, "ca[0].band[0].length", "is no length"),
        (band("end = 0.5\nlength = \"0s\""), 5, "ca[0].band[0].length", "no room"),
        (band("end = 0.5\nlength = 1.5"), 5, "ca[0].band[0].length", "between 0 and 1 of the life"),
        (band("end = 0.5\nlength = \"24h\""), 5, "ca[0].band[0].length", "write \"min(1d, 0.2)\""),
        (band("end = 0.5\nlength = 0.3\nmax_length = 0.2"), 6, "ca[0].band[0].max_length", "0.2 is less than the length, 0.3"),
        (band("end = 0.5\nlength = 0.1\nmax_length = 1"), 6, "ca[0].band[0].max_length", "between 0 and 1"),
        (band("end = 0.5\nlength = 0.1\n[[ca.band]]\nmin_life = \"10d\"\nend = 0.5\nlength = 0.1"), 7, "ca[0].band[1].min_life", "is never reached"),
        (band("end = 0.5\nlength = 0.1\nwidth = 2"), 6, "ca[0].band[0].width", "there is no such key"),
        (ca("[ca.band]\nend = 0.5"), 3, "ca[0].band", "is a table: write [[ca.band]]"),
        // Of a capacity rule.
        (rule("capacity = 0"), 3, "ca[0].capacity[0]", "says not when"),
        (rule("cron = \"0 0 * * *\"\nduration = \"1h\"\nfrom = 0\ncapacity = 0"), 3, "ca[0].capacity[0]", "both cron and from/to"),
        (rule("cron = \"0 0 * * *\"\nduration = \"1h\""), 3, "ca[0].capacity[0]", "says not how much"),
        (rule("cron = \"0 0 * * *\"\ncapacity = 0"), 3, "ca[0].capacity[0].duration", "is missing"),
        (rule("duration = \"1h\"\ncapacity = 0"), 3, "ca[0].capacity[0].cron", "is missing"),
        (rule("cron = \"0 0 * *\"\nduration = \"1h\"\ncapacity = 0"), 4, "ca[0].capacity[0].cron", "it has 4 of minute, hour, day of month, month, day of week"),
        (rule("cron = \"0 0 0 * * *\"\nduration = \"1h\"\ncapacity = 0"), 4, "ca[0].capacity[0].cron", "no cron pattern of five fields"),
        (rule("cron = \"0 0 30 2 *\"\nduration = \"1h\"\ncapacity = 0"), 4, "ca[0].capacity[0].cron", "matches at no time: its day of month never comes in its month"),
        (rule("cron = \"0 0 * * *\"\ntime_zone = \"Europe/Pragu\"\nduration = \"1h\"\ncapacity = 0"), 5, "ca[0].capacity[0].time_zone", "did you mean \"Europe/Prague\"?"),
        (rule("cron = \"0 0 * * *\"\nduration = \"32d\"\ncapacity = 0"), 5, "ca[0].capacity[0].duration", "longer than 31d"),
        (rule("cron = \"* 3 * * *\"\nduration = \"1h\"\ncapacity = 0"), 5, "ca[0].capacity[0].duration", "matches again after 1m"),
        (rule("from = 0\ncapacity = 0"), 3, "ca[0].capacity[0].to", "is missing"),
        (rule("from = 2026-01-01T00:00:00\nto = 1\ncapacity = 0"), 4, "ca[0].capacity[0].from", "is no time"),
        (rule("from = \"2026-01-02T00:00:00Z\"\nto = 2026-01-01T00:00:00Z\ncapacity = 0"), 5, "ca[0].capacity[0].to", "is not after from"),
        (rule("from = 0\nto = 1\ncapacity = 2"), 6, "ca[0].capacity[0].capacity", "2 is not between 0 and 1"),
        (rule("from = 0\nto = 1\nceiling = 0"), 6, "ca[0].capacity[0].ceiling", "is not more than 0"),
        (rule("from = 0\nto = 1\nceiling = inf"), 6, "ca[0].capacity[0].ceiling", "is no number"),
        (rule("from = 0\nto = 1\nceilling = 1\ncapacity = 1"), 6, "ca[0].capacity[0].ceilling", "did you mean \"ceiling\"?"),
    ];
    for (text, line, key, reason) in table {
        let errors = errors(&text);
        let [error] = &errors[..] else {
            panic!("{text}\n{errors:#?}");
        };
        assert_eq!(
            (error.line, error.key.as_str()),
            (line, key),
            "{text}\n{error}"
        );
        assert!(error.reason.contains(reason), "{text}\n{error}");
    }
}

#[test]
fn whole_days_may_overlap_where_one_has_23_hours() {
    let days = "[[ca.capacity]]\ncron = \"0 0 * * *\"\ntime_zone = \"Europe/Prague\"\n\
                duration = \"24h\"\ncapacity = 0.5";
    assert!(Config::parse(&one_ca(days)).is_ok());
}

#[test]
fn all_problems_are_reported_in_the_order_of_the_file() {
    let errors = errors(
        "retention = \"1h\"\n[[token]]\nname = \"a\"\n[[ca]]\nslot_minutes = 7\n\
         [[ca.capacity]]\nfrom = 2\nto = 1\nceiling = -1\n[[ca.band]]\nend = 3\nx = 1\n",
    );
    let report: Vec<(usize, &str)> = errors
        .iter()
        .map(|error| (error.line, error.key.as_str()))
        .collect();
    assert_eq!(
        report,
        [
            (1, "retention"),
            (2, "token[0].sha256"),
            (2, "token[0].scopes"),
            (4, "ca[0].name"),
            (5, "ca[0].slot_minutes"),
            (8, "ca[0].capacity[0].to"),
            (9, "ca[0].capacity[0].ceiling"),
            (10, "ca[0].band[0].length"),
            (11, "ca[0].band[0].end"),
            (12, "ca[0].band[0].x"),
        ]
    );
    assert_eq!((errors[0].line, errors[0].column), (1, 13));
    assert_eq!(
        errors[0].to_string(),
        "1: retention: \"1h\" is shorter than 1d"
    );
}

#[test]
fn columns_count_characters_from_1() {
    let report = errors("base_url = \"é\"\nca = [{ environment = \"é\", x = 1, name = \"a\" }]");
    let columns: Vec<(usize, usize)> = report.iter().map(|e| (e.line, e.column)).collect();
    assert_eq!(columns, [(1, 12), (2, 23), (2, 28)]);
}

#[test]
fn equal_policies_have_equal_digests_whatever_their_order() {
    let one = "[[ca]]\nname = \"a\"\nissuers = [\"AAAA\", \"BBBB\"]\n\
               [[ca.capacity]]\nfrom = 0\nto = 9\ncapacity = 0\n\
               [[ca.capacity]]\ncron = \"0 0 * * *\"\nduration = \"1h\"\nceiling = 5\n\
               [[ca]]\nname = \"b\"\n";
    let other = "listen = \"h:1\"\nretention = \"9d\"\n\
                 [[ca]]\nname = \"b\"\nenvironment = \"staging\"\n\
                 [[ca]]\nissuers = [\"BBBB\", \"AAAA\"]\nname = \"a\"\nslot_minutes = 60\n\
                 [[ca.capacity]]\ncron = \"0 0 * * *\"\nduration = \"60m\"\nceiling = 5\n\
                 [[ca.capacity]]\nfrom = 0\nto = 9\ncapacity = -0.0\n";
    let digest = |text: &str| Config::parse(text).unwrap().policy_digest();
    assert_eq!(digest(one), digest(other));
}

#[test]
fn whatever_changes_windows_changes_the_digest() {
    let mut digests = std::collections::HashMap::new();
    let variants = [
        "",
        "issuers = [\"AAAA\"]",
        "issuers = [\"AAAA\", \"AAAB\"]",
        "backdate = \"1s\"",
        "slot_minutes = 30",
        "follow_prior = 0.4",
        "steerable_share = 0.4",
        "max_extra = 0.04",
        "retry_after = \"5h\"",
        "[[ca.band]]\nend = 0.49\nlength = 0.1",
        "[[ca.band]]\nend = \"0.49 - 1s\"\nlength = 0.1",
        "[[ca.band]]\nend = 0.49\nlength = 0.11",
        "[[ca.band]]\nend = 0.49\nlength = 0.1\nmax_length = 0.3",
        "[[ca.capacity]]\nfrom = 0\nto = 1\ncapacity = 0",
        "[[ca.capacity]]\nfrom = 0\nto = 2\ncapacity = 0",
        "[[ca.capacity]]\nfrom = 0\nto = 2\ncapacity = 0.1",
        "[[ca.capacity]]\nfrom = 0\nto = 2\nceiling = 1",
        "[[ca.capacity]]\ncron = \"0 0 * * *\"\nduration = \"1h\"\ncapacity = 0",
        "[[ca.capacity]]\ncron = \"0 1 * * *\"\nduration = \"1h\"\ncapacity = 0",
        "[[ca.capacity]]\ncron = \"0 1 * * *\"\nduration = \"2h\"\ncapacity = 0",
        "[[ca.capacity]]\ncron = \"0 1 * * *\"\ntime_zone = \"Asia/Tokyo\"\nduration = \"2h\"\ncapacity = 0",
    ];
    let texts = variants
        .iter()
        .map(|lines| one_ca(lines))
        .chain([String::new(), "strict_issuers = true".to_owned()]);
    for text in texts {
        let digest = Config::parse(&text).unwrap().policy_digest();
        if let Some(same) = digests.insert(digest, text.clone()) {
            panic!("{same:?} and {text:?} have one digest");
        }
    }
}

/// A digest that moves by itself would show every replica of a roll-out as changed: where this
/// fails without a change to the algorithm or the default policy, the digest is broken.
#[test]
fn the_digest_of_the_default_policy_is_the_same_everywhere() {
    assert_eq!(
        format!("{:016x}", Config::default().policy_digest()),
        "14ce66010e45dcf7"
    );
}

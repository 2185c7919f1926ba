//! Which part of the sources may name which, and what belongs to one part alone.

/// Which parts a part may name. What is not listed may name nothing of ours. `domain`, `config` and
/// `simulate` are crates of their own, so that the compiler keeps them from naming the others.
pub(super) const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "config",
            "domain",
            "engine",
            "gateway",
            "http",
            "ingest",
            "notices",
            "publish",
            "simulate",
            "source",
            "store",
            "telemetry",
            "webhook",
            "wire",
        ],
    ),
    // `ingest` for one thing only: turning a request body into records; `publish` for one thing
    // only: how a document is to be served.
    (
        "http",
        &[
            "config",
            "domain",
            "engine",
            "ingest",
            "publish",
            "store",
            "telemetry",
            "wire",
        ],
    ),
    // `ingest` for one thing only: what a certificate that goes by says of itself.
    (
        "gateway",
        &[
            "config",
            "domain",
            "engine",
            "ingest",
            "store",
            "telemetry",
            "wire",
        ],
    ),
    // What serving HTTP stands on. `ingest` for one thing only: why a body was not taken.
    ("wire", &["config", "domain", "engine", "ingest", "store"]),
    // `ingest` for one thing only: what a certificate that is read says of itself.
    (
        "source",
        &["config", "domain", "engine", "ingest", "store", "telemetry"],
    ),
    (
        "ingest",
        &["config", "domain", "engine", "store", "telemetry"],
    ),
    (
        "publish",
        &["config", "domain", "engine", "store", "telemetry"],
    ),
    // `ingest` for one thing only: reading a revocation list.
    (
        "notices",
        &["config", "domain", "engine", "ingest", "store", "telemetry"],
    ),
    (
        "webhook",
        &["config", "domain", "engine", "store", "telemetry"],
    ),
    // The real allocation on a virtual clock; `config` for one thing only: a scenario's policy has
    // the keys of a `[[ca]]`.
    ("simulate", &["config", "domain"]),
    ("engine", &["config", "domain", "store", "telemetry"]),
    ("store", &["domain", "telemetry"]),
    // Leaves: they name the domain's words, and the domain never sees them.
    ("config", &["domain"]),
    ("telemetry", &["domain"]),
];

/// What others may not name, and the part of the sources that may.
pub(super) const HOMES: &[(&str, &[&str])] = &[
    ("anyhow", &["cli/"]),
    ("async_compression", &["wire/unpack.rs"]),
    ("askama", &["domain/publication/"]),
    (
        "aws_lc_rs",
        &[
            "gateway/jws.rs",
            "gateway/upstream.rs",
            "source/ct/key.rs",
            "webhook/sign.rs",
            "wire/serve/tls.rs",
        ],
    ),
    ("axum", &["gateway/", "http/", "wire/"]),
    ("brotli", &["wire/coding.rs", "wire/unpack"]),
    ("clap", &["cli/"]),
    (
        "flate2",
        &[
            "wire/coding.rs",
            "wire/unpack",
            "publish/remote.rs",
            "source/log/",
        ],
    ),
    ("hyper", &["gateway/", "http/", "wire/"]),
    ("hyper_rustls", &["gateway/upstream.rs"]),
    ("hyper_util", &["gateway/", "http/", "wire/"]),
    ("listenfd", &["wire/serve/listen.rs"]),
    ("memmap2", &["engine/index/slab.rs"]),
    ("self_cell", &["engine/index/slab.rs"]),
    (
        "reqwest",
        &[
            "cli/",
            "notices/fetch.rs",
            "source/fetch.rs",
            // Hands on the requests of an ACME client, which brings none of its own.
            "source/probe/order.rs",
            "webhook/deliver.rs",
        ],
    ),
    ("sqlx", &["store/"]),
    ("rustls_platform_verifier", &["gateway/upstream.rs"]),
    ("tokio_rustls", &["gateway/upstream.rs", "wire/serve/"]),
    ("x509_parser", &["ingest/x509"]),
    ("zerocopy", &["engine/index/slab.rs"]),
    ("zstd", &["source/log/", "wire/coding.rs", "wire/unpack"]),
];

/// What the domain may not name of the standard library: it does no I/O, sees no clock, and waits for
/// nothing. Of other crates it can name only what `src/domain/Cargo.toml` has.
pub(super) const NOT_IN_DOMAIN: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time",
];

/// Words that the domain does not use, however they came to be in reach.
pub(super) const NO_WORD_IN_DOMAIN: &[&str] = &["Instant", "SystemTime", "async", "await"];

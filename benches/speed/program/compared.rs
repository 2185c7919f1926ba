//! The comparisons themselves.

use super::rows::{Part, Row, row};
use super::units::{INSTRUCTIONS, MICROS, MILLIS, RATIO, REQUESTS, SECONDS};

/// What is answered, and how soon, in the order in which it is shown.
pub(super) const ANSWERED: &[Row] = &[
    row(Part::Serving, "renewal_info", REQUESTS, "offpeak"),
    row(
        Part::Serving,
        "nginx_return",
        REQUESTS,
        "nginx `return 200`, same headers and body size",
    ),
    row(
        Part::Serving,
        "renewal_info_to_nginx",
        RATIO,
        "offpeak ÷ nginx",
    )
    .to("nginx_return")
    .at_least(0.8),
    row(
        Part::Serving,
        "renewal_info_to_nginx_by_cpu",
        RATIO,
        "the same, each by the processor time it used",
    )
    .to("nginx_return"),
    row(
        Part::Serving,
        "renewal_info_p50",
        MICROS,
        "offpeak at half of its maximum rate: p50",
    ),
    row(Part::Serving, "renewal_info_p99", MICROS, "… p99"),
    row(Part::Serving, "renewal_info_p999", MICROS, "… p99.9"),
    row(
        Part::Serving,
        "nginx_return_p50",
        MICROS,
        "nginx at half of its maximum rate: p50",
    ),
    row(Part::Serving, "nginx_return_p99", MICROS, "… p99 of nginx"),
    row(
        Part::Serving,
        "nginx_return_p999",
        MICROS,
        "… p99.9 of nginx",
    ),
    row(
        Part::Serving,
        "renewal_info_p99_to_nginx",
        RATIO,
        "p99, offpeak ÷ nginx",
    )
    .to("nginx_return_p99")
    .at_most(1.5),
    row(Part::Ranking, "ranking", REQUESTS, "offpeak's ranking.json"),
    row(
        Part::Ranking,
        "nginx_file",
        REQUESTS,
        "nginx, the same file and headers, from its cache of open files",
    ),
    row(
        Part::Ranking,
        "ranking_to_nginx",
        RATIO,
        "ranking.json, offpeak ÷ nginx",
    )
    .to("nginx_file")
    .at_least(1.2),
    row(
        Part::Ranking,
        "ranking_to_nginx_by_cpu",
        RATIO,
        "ranking.json, each by the processor time it used",
    )
    .to("nginx_file"),
    row(Part::Ranking, "best_time", REQUESTS, "`/v1/best-time`"),
    row(
        Part::Ranking,
        "best_time_to_ranking",
        RATIO,
        "÷ the file, in turns",
    )
    .to("ranking")
    .at_least(0.5),
    row(
        Part::Instructions,
        "renewal_info_instructions",
        INSTRUCTIONS,
        "offpeak, renewalInfo",
    )
    .at_most(14_000.0),
    row(
        Part::Instructions,
        "nginx_return_instructions",
        INSTRUCTIONS,
        "nginx `return`",
    ),
    row(
        Part::Instructions,
        "nginx_file_instructions",
        INSTRUCTIONS,
        "nginx, a static file",
    ),
    row(
        Part::Flood,
        "flood_unknown",
        REQUESTS,
        "unknown CertIDs answered with 404",
    ),
    row(
        Part::Flood,
        "flood_busy",
        REQUESTS,
        "unknown CertIDs answered with 503",
    ),
    row(
        Part::Flood,
        "flood_valid_p99",
        MILLIS,
        "p99 of the valid ones beside them",
    )
    .below(10.0),
    row(
        Part::Flood,
        "flood_memory",
        RATIO,
        "resident memory at the end ÷ after a third",
    )
    .at_most(1.05),
    row(
        Part::Flood,
        "flood_queries",
        "queries/request",
        "SQL queries for each unknown CertID",
    )
    .at_most(1.0),
    row(
        Part::Hostile,
        "hostile_good_p50",
        MILLIS,
        "`renewalInfo` beside 8 uploads of good lines: p50",
    ),
    row(
        Part::Hostile,
        "hostile_good_p99",
        MILLIS,
        "`renewalInfo` beside 8 uploads of good lines: p99",
    )
    .below(20.0),
    row(
        Part::Hostile,
        "hostile_bad_p50",
        MILLIS,
        "… of bad lines: p50",
    ),
    row(
        Part::Hostile,
        "hostile_bad_p99",
        MILLIS,
        "… of bad lines: p99",
    )
    .below(20.0),
    row(
        Part::Hostile,
        "hostile_rebalance_p50",
        MILLIS,
        "… beside rebalances: p50",
    ),
    row(
        Part::Hostile,
        "hostile_rebalance_p99",
        MILLIS,
        "… beside rebalances: p99",
    )
    .below(20.0),
    row(
        Part::Hostile,
        "hostile_publication_p50",
        MILLIS,
        "… beside publications: p50",
    ),
    row(
        Part::Hostile,
        "hostile_publication_p99",
        MILLIS,
        "… beside publications: p99",
    )
    .below(20.0),
    row(
        Part::Hostile,
        "hostile_rebuild_p50",
        MILLIS,
        "… while all is summed up after a start: p50",
    ),
    row(
        Part::Hostile,
        "hostile_rebuild_p99",
        MILLIS,
        "… while all is summed up after a start: p99",
    )
    .below(20.0),
    row(
        Part::Hostile,
        "hostile_memory",
        "MB",
        "memory for a request with 200 lines of 1 MB, all bad",
    )
    .at_most(64.0),
    row(
        Part::Hostile,
        "hostile_log_most",
        "MB",
        "SQLite's log under 4 uploads of 300,000 observations, at its longest",
    )
    .at_most(128.0),
    row(
        Part::Hostile,
        "hostile_log_after",
        "MB",
        "… 10 s after them",
    ),
    row(
        Part::Hostile,
        "hostile_half_heads_public",
        SECONDS,
        "until somebody new is answered beside 8,192 half heads",
    )
    .below(1.0),
    row(
        Part::Hostile,
        "hostile_half_heads_admin",
        SECONDS,
        "… beside 300 on the admin listener",
    )
    .below(1.0),
    row(
        Part::Restart,
        "memory_per_certificate",
        "octets",
        "resident memory of the whole service ÷ certificates",
    ),
    row(
        Part::Restart,
        "restart_without_snapshot",
        SECONDS,
        "from the start to the first answer, from the store alone",
    )
    .at_most(30.0),
    row(
        Part::Restart,
        "restart_loaded",
        SECONDS,
        "… until all is loaded, and registrations are taken",
    ),
    row(
        Part::Restart,
        "restart_with_snapshot",
        SECONDS,
        "… with what the last run left",
    )
    .at_most(3.0),
    row(
        Part::Restart,
        "restart_summed",
        SECONDS,
        "… until all is summed then, and registrations are taken",
    ),
    row(
        Part::Index,
        "index_10000000_resident_each",
        "octets",
        "resident memory ÷ certificates, 10^7",
    )
    .at_most(32.0),
    row(
        Part::Index,
        "index_100000000_resident_each",
        "octets",
        "resident memory ÷ certificates, 10^8",
    )
    .at_most(32.0),
    row(
        Part::Index,
        "index_100000_reads",
        "look-ups/s",
        "look-ups of random CertIDs, 10^5",
    ),
    row(
        Part::Index,
        "index_100000000_reads",
        "look-ups/s",
        "look-ups of random CertIDs, 10^8",
    ),
    row(
        Part::Index,
        "requests_1e8_to_1e5",
        RATIO,
        "requests/s at 10^8 ÷ at 10^5, computed from these and from `renewalInfo` above",
    )
    .to("renewal_info")
    .at_least(0.75),
];

//! What is measured of the gateway.

use super::super::rows::{Part, Row, row};
use super::super::units::{MICROS, REQUESTS};

/// In the order in which they are shown.
pub(in super::super) const ROWS: &[Row] = &[
    row(
        Part::Gateway,
        "gateway_requests",
        REQUESTS,
        "signed requests through the gateway",
    ),
    row(
        Part::Gateway,
        "nginx_proxied",
        REQUESTS,
        "the same through nginx `proxy_pass`",
    ),
    row(
        Part::Gateway,
        "gateway_to_nginx_by_cpu",
        "ratio",
        "gateway ÷ nginx, each by the processor time it used",
    )
    .to("nginx_proxied")
    .at_least(0.8),
    row(
        Part::Gateway,
        "gateway_p99",
        MICROS,
        "the gateway at a tenth of its maximum rate: p99",
    ),
    row(
        Part::Gateway,
        "nginx_proxied_p99",
        MICROS,
        "nginx at the same rate: p99",
    ),
    row(
        Part::Gateway,
        "gateway_p99_added",
        "ms",
        "p99, gateway − nginx",
    )
    .at_most(1.0),
    row(
        Part::Gateway,
        "overload_completed",
        "%",
        "10 × overload: orders admitted that end with a certificate",
    )
    .at_least(99.0),
    row(
        Part::Gateway,
        "overload_500",
        "answers",
        "10 × overload: answers that are neither an order nor a 503 with its second",
    )
    .at_most(0.0),
    row(
        Part::Gateway,
        "overload_upstream",
        "of what it bears",
        "10 × overload: the most new orders in any second that the upstream sees",
    )
    .at_most(1.05),
    row(
        Part::Gateway,
        "overload_returns",
        "of 1.1 c + 3 √c",
        "10 × overload: the most who are told the same second",
    )
    .at_most(1.0),
    row(
        Part::Gateway,
        "spike_turned_away",
        "clients",
        "15 s of capacity within a second: turned away, or without an answer",
    )
    .at_most(0.0),
    row(
        Part::Gateway,
        "spike_last",
        "s",
        "15 s of capacity within a second: when the last one is served",
    )
    .at_most(16.0),
    row(
        Part::Gateway,
        "held_memory",
        "kB",
        "resident memory for each held request",
    )
    .at_most(40.0),
    row(
        Part::Gateway,
        "idle_memory",
        "kB",
        "the same for each connection that has had one answer and waits: what TLS and HTTP take of it",
    ),
];

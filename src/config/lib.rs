//! The configuration: one text file, in force as a whole or not at all.
//!
//! This page is the manual of that file. It is TOML. Every key is optional unless it says
//! otherwise, an unknown key is an error, and `offpeak check-config FILE` names everything that is
//! wrong by line and key. `serve` needs no file. A SIGHUP has `serve` read its file again; a file
//! with an error is named in the log and leaves the configuration in force as it was. State never
//! stands in this file, and the configuration never stands in the database.
//!
//! ```toml
//! # Where the two listeners bind: ADDRESS:PORT, or "unix:/PATH". Port 0 takes a free one. Sockets
//! # that systemd passes take their places: those named "public" and "admin", else the first two.
//! listen = "127.0.0.1:8080"         # public; or --listen, OFFPEAK_LISTEN
//! admin_listen = "127.0.0.1:8081"   # or --admin-listen, OFFPEAK_ADMIN_LISTEN
//!
//! # The URL under which the world reaches the public listener: absolute, no trailing slash. It is
//! # never taken from the Host header. Default: http(s):// and the address bound.
//! base_url = "https://ari.example.com"   # or --base-url, OFFPEAK_BASE_URL
//!
//! # "sqlite:PATH" or "postgres://USER:PASSWORD@HOST/NAME".
//! database = "sqlite:offpeak.db"    # or --database, OFFPEAK_DATABASE
//!
//! # The file in which the certificates in memory are kept for the next start, which then answers
//! # at once, even where a PostgreSQL is away: written every quarter of an hour and at the stop; read
//! # at the start only; "" for none. It holds the key of the keyed hashes. Each process has its own.
//! # Default: beside an SQLite database, its path and ".index"; with PostgreSQL, none.
//! snapshot = "offpeak.db.index"
//!
//! # An issuer that no [[ca]] claims: true refuses its certificates, false gives them to the CA
//! # "default", which then exists without being configured.
//! strict_issuers = false
//!
//! # How often the ranking is published: 1 minute or more.
//! publish_interval = "24h"
//!
//! # How long observations are kept: 1 day or more.
//! retention = "400d"
//!
//! # Open connections of one address, or of one /64 of IPv6, on each listener: further ones are closed
//! # at once. Not counted: this machine, Unix sockets, and the addresses of proxies in front.
//! connections_per_address = 256     # 1 or more; on the admin listener 128 at most
//! trusted_proxies = ["192.0.2.1", "2001:db8::/32"]   # addresses and networks; default: none
//!
//! # How long new connections are taken after a SIGTERM, until whoever sends them has noticed.
//! shutdown_grace = "5s"             # "0s" to "1m"; requests under way may take 20 s more
//!
//! # HTTPS on the public listener, HTTP/2 and HTTP/1.1; without it: HTTP. Files that change are taken
//! # up within 10 s and on SIGHUP; from bad ones nothing is taken, and the log says so.
//! [tls]
//! certificate = "/etc/ssl/ari.pem"  # required: the chain in PEM, the server's own first
//! key = "/etc/ssl/ari.key"          # required: in PEM
//!
//! # Who may use the admin listener. `offpeak token new` prints such a block and its token. Beside
//! # these, the token in OFFPEAK_ADMIN_TOKEN has every scope.
//! [[token]]
//! name = "issuance"                 # required, unique; stands in logs
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"   # required, hex
//! scopes = ["ingest"]               # required: "ingest", "export" for a peer, or "admin" for everything
//! sources = ["ca", "observer:oslo"] # whose observations it may hand in, by source or source:vantage; default: any
//!
//! # A certificate authority.
//! [[ca]]
//! name = "example"                  # required, unique: 1 to 63 of a-z, 0-9 and -
//! environment = "production"        # a label; the ranking of all CAs takes "production" alone
//! issuers = ["aYhba4dGQEHhs3uEe6CuLN4ByNQ"]   # key identifiers, as `offpeak ca CERT.pem` prints them; each in one CA
//! backdate = "3510s"                # notBefore lies this long before issuance; default "0s"
//! slot_minutes = 60                 # 60, 30, 15 or 5
//! follow_prior = 0.3                # share of clients taken to follow their window at first
//! max_extra = 0.05                  # what renewing early may add to the issuance of lives of days: a share, 0 to 1
//! steerable_share = 0.5             # share of the mean load that readers of the ranking move
//! objective = 0.99                  # share of attempts that are to succeed in each slot; default: none
//! learn_until = 2026-11-20T00:00:00Z   # pins the model as it was then, or takes it back to that; default: all is learned
//! retry_after = "6h"                # the longest base of Retry-After, "1m" to "1d"
//! rebalance = "manual"              # "auto": windows are moved where the forecast has drifted
//! control_share = 0.0               # certificates that keep a plain window, to compare: to 0.5
//!
//! # Where in a life the renewal may be asked for. The first band that fits a life is used, so the
//! # longest lives come first; lives that none fits take the default bands, which are these two.
//! [[ca.band]]
//! min_life = "10d"                  # lives from here on; default "0s"
//! end = "2/3 - 2h"                  # required: fraction of the life, and a duration more or less
//! length = "24h"                    # required: a duration, a fraction, or the smaller of both
//! max_length = 0.2                  # widened up to this fraction of the life; default 0.2
//! [[ca.band]]
//! end = "0.49"
//! length = "min(24h, 0.15)"
//! max_length = 0.25
//!
//! # When the CA takes less than usual: recurring …
//! [[ca.capacity]]
//! cron = "50 0 * * *"               # begins: minute, hour, day of month, month, day of week
//! time_zone = "UTC"                 # of IANA, such as "Europe/Prague"; default "UTC"
//! duration = "10m"                  # required with cron, "31d" at most
//! capacity = 0                      # 1 normal, 0 closed, between: reduced; default 1
//! # … or once.
//! [[ca.capacity]]
//! from = 2026-12-24T18:00:00Z       # begins, in place of cron, time_zone and duration
//! to = 2026-12-27T06:00:00Z         # ends
//! capacity = 0.5
//! ceiling = 40000                   # certificates an hour at most, beside capacity or in its place
//! name = "hsm"                      # what is scarce then; the forecast names the rule that binds
//!
//! # A bulk event that is known ahead: its load is expected, and windows keep out of its way.
//! [[ca.planned]]
//! from = 2026-12-01T02:00:00Z       # required: begins
//! to = 2026-12-01T03:00:00Z         # required: ends
//! certificates = 30000              # required: how many, evenly from `from` to `to`
//!
//! # Another policy, computed beside the CA's for each certificate and never served; one at most.
//! # What it does not name is as the CA has it. [[ca.shadow.band]] and [[ca.shadow.capacity]] are as
//! # above: one of them takes the place of all that the CA has.
//! [[ca.shadow]]
//! slot_minutes = 30                 # as of the CA
//! follow_prior = 0.5                # as of the CA
//! max_extra = 0.05                  # as of the CA
//! retry_after = "12h"               # as of the CA
//! [[ca.shadow.band]]
//! end = "1/2"
//! length = "min(48h, 0.15)"
//! [[ca.shadow.capacity]]
//! from = 2026-12-24T18:00:00Z
//! to = 2026-12-27T06:00:00Z
//! capacity = 0.5
//!
//! # An operator's words, on the page and in the ranking until their time is over.
//! [[note]]
//! ca = "example"                    # whose; default all CAs
//! from = 2026-12-01T00:00:00Z       # required: the time that they are about begins
//! to = 2026-12-02T00:00:00Z         # required: that time ends
//! text = "migration of the validators"   # required: one line
//!
//! # An ACME server that this process stands in front of (docs/gateway.md). Read at the start only.
//! [[gateway]]
//! name = "acme"                     # required, unique: for logs and metrics
//! ca = "example"                    # required: the [[ca]] whose load it is, or "default"
//! listen = "0.0.0.0:443"            # required: ADDRESS:PORT or "unix:/PATH"
//! upstream = "https://ca.internal:9000/acme/acme/directory"   # required: the URL of its directory
//! base_url = "https://acme.example.com"   # how clients reach it; default: the host that they name
//! upstream_roots = "/etc/offpeak/ca-root.pem"   # in PEM; default: the system's
//! upstream_certificate = "/etc/offpeak/client.pem"   # shown to the upstream, with its key
//! upstream_key = "/etc/offpeak/client.key"
//! upstream_timeout = "40s"          # for the head of an answer, "1s" to "5m"
//! upstream_ari = "override"         # "relay": the directory keeps the upstream's own renewalInfo
//! new_orders_per_second = 50        # at most; default: what the upstream bears (docs/admission.md)
//! hold = "20s"                      # so long a new order waits of a client not known, "30s" at most; "0s": none
//! held = 20000                      # new orders that wait at most
//! account_orders = 300              # new orders of an account in account_period; default: no limit
//! account_period = "3h"             # in which they are refilled, one by one; "7d" at most
//! lenient_replaces = false          # true: an order goes on whose `replaces` fails a check
//! register_within_ms = 250          # how long a request waits for our database and disk, 10000 at most
//! spool = "/var/lib/offpeak/spool"  # certificates that wait for the store; default: beside the database
//! outage_after = "2m"               # of failures alone: opens an `outage`; default: never
//! [gateway.tls]
//! certificate = "/etc/ssl/acme.pem" # required
//! key = "/etc/ssl/acme.key"         # required
//!
//! # A revocation list: what stands in it and is registered has its window now. A URL is asked again when
//! # Cache-Control or nextUpdate say, within 1 minute to 1 hour; a file is looked at each minute.
//! [[crl]]
//! ca = "example"                    # required: whose
//! url = "http://ca.internal/crl.der"   # DER or PEM; or file
//! explanation_url = "https://ca.example/why"   # given to clients with the window
//! [[crl]]
//! ca = "example"
//! file = "/var/lib/ca/crl.pem"      # DER or PEM; or url
//! issuer = "/etc/offpeak/ca.pem"    # who signs it, DER or PEM; default: its signature is not checked
//!
//! # A place that is given each new publication, with SHA256SUMS: a folder or an object store, reached as
//! # AWS_…, AZURE_… or GOOGLE_… in the environment say. Of several processes one writes into a store.
//! [[publish]]
//! to = "s3://bucket/prefix"         # required: or "file:/var/www/ari", "gs://…", "az://…"
//! sign_with = "/etc/offpeak/minisign.key"   # made by `minisign -G -W`: a signature beside each file
//! gzip = false                      # documents and pages of an object store in gzip, for all who read it
//! retention = "400d"                # of r/… that nothing points at: "8d" or more; default: as above
//!
//! # A status page on which the CA announces maintenance: each is an incident that closes its hours, changes
//! # with the page and ends with it. Asked every 10 minutes.
//! [[status_page]]
//! ca = "example"                    # required: whose
//! # Statuspage: …/api/v2/scheduled-maintenances.json; status.io: https://status.io/1.0/status/PAGE
//! url = "https://status.ca.example/api/v2/scheduled-maintenances.json"   # required
//! # Of which components maintenance closes the CA, by name or id; maintenance that names none always does.
//! # Default: those with "acme" in their name, and "staging" just where that is the environment of the CA
//! components = ["acme-v02.api.letsencrypt.org"]
//!
//! # Who is told by HTTP, in messages as of Standard Webhooks, each tried for a day. What is told once
//! # is not told again by another process or after a restart.
//! [[webhook]]
//! url = "https://ops.example.org/hook"   # required
//! on = ["failure-rate", "outage", "incident"]   # required: one of these or more
//! secret_file = "/etc/offpeak/webhook.secret"   # required: holds "whsec_" and base64
//! failure_rate = 0.2                # told from this share on, of 20 attempts or more in 15 minutes
//! ca = "example"                    # of this one alone; default: all
//!
//! # Where load is seen (docs/sources.md), a table for each source: logs of Certificate Transparency.
//! [[source]]
//! name = "le-ct"                    # required, unique: for logs and metrics; what was read is kept under it
//! kind = "ct"                       # required: "csv", "ct", "folder", "log", "peer", "probe", "prometheus", "ranking" or "sql"
//! ca = "example"                    # required, save for "ct" and "folder": without it every [[ca]] with issuers
//! log_list = "log_list.json"        # required for "ct": a list in Google's format, a file or a URL
//! logs = ["2026h2", "2027h1"]       # texts of which a log's description has one; default: every usable log
//! contact = "mailto:ops@example.org"   # required for "ct" and "probe": for those who are asked, in the User-Agent
//! budget = "200MB/d"                # a sample of so much a day; default: every entry is read
//! backfill = "14d"                  # how far back a new source begins; default "14d"
//! register = false                  # true: certificates are registered too; not with a budget; default false
//! # A log file that grows, and its rotated ones beside it.
//! [[source]]
//! name = "front"
//! ca = "example"
//! kind = "log"
//! path = "/var/log/nginx/acme.log"  # required for "log", and for "folder": where certificates are put
//! format = "pattern"                # required for "log": "nginx-combined", "apache-combined", "nginx-json", "caddy", "boulder-wfe", "boulder-ra", "step-ca", "openbao" or "pattern"
//! pattern = "{time} {method} {path} {status} {*}"   # required for "pattern": the fields of a line
//! vantage = "fronts"                # the counts of logs of one vantage add up, as those of two front ends do; default: the source's name
//! by_client = false                 # true: failures are told by client, as its user agent names it, in the ranking too; default false
//! # Counters that a Prometheus keeps.
//! [[source]]
//! name = "metrics"
//! ca = "example"
//! kind = "prometheus"
//! url = "http://prometheus:9090"    # required for "prometheus": the server
//! query = "new_certificates"        # required for "prometheus": counters; their increases are added
//! counts = "issued"                 # what they count: "issued", "attempt" or "failed"; default "issued"
//! backfill = "14d"
//! # The CA itself, asked from outside for its directory and a nonce.
//! [[source]]
//! name = "oslo"
//! ca = "example"
//! kind = "probe"
//! url = "https://acme.example.com/directory"   # required for "probe": its directory
//! contact = "mailto:ops@example.org"
//! vantage = "oslo"                  # from where it is asked; default: the source's name
//! every = "30s"                     # between two rounds, "5s" to "1h"; default "30s"
//! outage_quorum = 2                 # so many vantages open and close an `outage`; default never
//! roots = "/etc/offpeak/ca-root.pem"   # whom it is trusted by, in PEM; default: the system's
//! [source.order]                    # a whole order from time to time; default never
//! domain = "probe.example.com"      # required: a domain, or an IP address
//! http01 = "0.0.0.0:80"             # required: where its challenge is answered
//! account_file = "/var/lib/offpeak/probe.json"   # required: the account, made with the first order
//! every = "6h"                      # between two orders, "10m" to "7d"; default "6h"
//! finalize = true                   # false: it ends with its authorisation; default true
//! # A file that is exported into again and again: rows as `columns` names them.
//! [[source]]
//! name = "billing"
//! ca = "example"
//! kind = "csv"
//! path = "/var/lib/ca/load.csv"
//! source = "ca"                     # as whose counts: "ca", "log", "metrics", "ct", or, moving no volume, "import" or "observer"; default "import"
//! row = "1h"                        # what a row stands for, from its `at` on, "1m" to "1d"; default "1m"
//! [source.columns]                  # required for "csv" and "sql": which column holds what
//! at = "hour"                       # required: RFC 3339 or Unix seconds
//! count = "certificates"            # default: each row is one event
//! kind = "what"                     # "issued", "attempt" or "failed"; default: `counts`
//! endpoint = "step"                 # such as "new-order"
//! error_type = "problem"            # an ACME URN
//! latency_ms = "median_ms"          # the median in milliseconds; beside `count` alone
//! # A query that another SQLite or PostgreSQL answers, over a connection that only reads.
//! [[source]]
//! name = "issuance"
//! ca = "example"
//! kind = "sql"
//! database = "postgres://reader@db.internal/ca"   # required for "sql"
//! query = "SELECT issued FROM certificates WHERE issued >= to_timestamp($1) AND issued < to_timestamp($2)"   # required for "sql"
//! backfill = "14d"
//! [source.columns]
//! at = "issued"
//! # Another's ranking, published as such until there is load of one's own.
//! [[source]]
//! name = "start"
//! ca = "example"
//! kind = "ranking"
//! ranking = "https://ari.example.net/ranking.json"   # required for "ranking": a URL or a file
//! # Another offpeak, which has a token for us with the scope "export".
//! [[source]]
//! name = "frankfurt"
//! ca = "example"
//! kind = "peer"
//! url = "https://offpeak.example.net:8081"   # required for "peer": its admin listener
//! token_file = "/etc/offpeak/frankfurt.token"   # required for "peer": holds the token
//! sources = ["log", "observer:oslo"]   # required for "peer": what it is believed, each as in [[token]]
//! their_ca = "example"              # what the CA is called there; default: as here
//! backfill = "14d"
//! ```
//!
//! Durations are whole numbers with a unit, `d`, `h`, `m` or `s`, the largest first: `1h30m`; ten
//! years at most. Times are RFC 3339 with `Z` or an offset. Where capacity rules overlap, the
//! lowest share and the lowest ceiling hold. A flag goes over the environment, and that over the
//! file.

use offpeak_domain as domain;

mod band;
pub mod ca;
mod capacity;
mod connections;
mod crl;
mod digest;
pub mod duration;
pub mod error;
mod experiment;
mod file;
mod gateway;
pub mod hint;
#[cfg(test)]
mod manual_tests;
mod named;
mod note;
mod planned;
mod publish;
pub mod section;
mod service;
mod source;
mod status_page;
mod tls;
mod token;
pub mod value;
mod warning;
mod webhook;

pub use capacity::zone;
pub use connections::Connections;
pub use crl::{CrlConfig, CrlPlace};
pub use duration::seconds as duration_seconds;
pub use error::ConfigError;
pub use file::Config;
pub use gateway::{GatewayConfig, upstream_url};
pub use publish::PublishConfig;
pub use source::{
    ColumnsConfig, CsvConfig, CtConfig, FolderConfig, LogConfig, OrderConfig, PeerConfig,
    ProbeConfig, PrometheusConfig, RankingConfig, SourceConfig, SourceKind, SqlConfig, contact,
    octets_a_day,
};
pub use status_page::StatusPageConfig;
pub use tls::TlsFiles;
pub use token::{Scope, Token, name as token_name, scope as token_scope};
pub use value::{UNIX_PREFIX, base_url, database_url, listen_address};
pub use webhook::{Topic, WebhookConfig};

//! The configuration: one text file, in force as a whole or not at all.
//!
//! This page is the manual of that file. It is TOML. Every key is optional unless it says
//! otherwise, an unknown key is an error, and `offpeak check-config FILE` reports everything that is
//! wrong by line and key. `serve` needs no file. On SIGHUP `serve` reads its file again; if it has
//! an error, the log says so and the old configuration stays in force. The file never contains
//! state, and the database never contains configuration.
//!
//! ```toml
//! # The addresses of the two listeners: ADDRESS:PORT, or "unix:/PATH". Port 0 takes a free one.
//! # Sockets from systemd replace them: those named "public" and "admin", else the first two.
//! listen = "127.0.0.1:8080"         # public; or --listen, OFFPEAK_LISTEN
//! admin_listen = "127.0.0.1:8081"   # or --admin-listen, OFFPEAK_ADMIN_LISTEN
//!
//! # The URL of the public listener for its clients: absolute, no trailing slash. It is never
//! # taken from the Host header. Default: http(s):// and the address bound.
//! base_url = "https://ari.example.com"   # or --base-url, OFFPEAK_BASE_URL
//!
//! # "sqlite:PATH" or "postgres://USER:PASSWORD@HOST/NAME".
//! database = "sqlite:offpeak.db"    # or --database, OFFPEAK_DATABASE
//!
//! # The file that keeps the certificates in memory for the next start, which then answers at once,
//! # even while a PostgreSQL is away. It is written every quarter of an hour and at the stop, and read
//! # at the start only; "" for none. It holds the key of the keyed hashes. Each process has its own.
//! # Default: beside an SQLite database, its path and ".index"; with PostgreSQL, none.
//! snapshot = "offpeak.db.index"
//!
//! # Certificates of an issuer that no [[ca]] claims: true refuses them, false gives them to the CA
//! # "default", which then exists without being configured.
//! strict_issuers = false
//!
//! # How often the ranking is published: 1 minute or more.
//! publish_interval = "24h"
//!
//! # How long observations are kept: 1 day or more.
//! retention = "400d"
//!
//! # The most open connections of one address, or of one /64 of IPv6, on each listener; further ones
//! # are closed at once. Not limited: this machine, Unix sockets, and the addresses of proxies in front.
//! connections_per_address = 256     # 1 or more; on the admin listener 128 at most
//! trusted_proxies = ["192.0.2.1", "2001:db8::/32"]   # addresses and networks; default: none
//!
//! # How long new connections are accepted after a SIGTERM, until load balancers have noticed.
//! shutdown_grace = "5s"             # "0s" to "1m"; requests in progress may take 20 s more
//!
//! # HTTPS on the public listener, HTTP/2 and HTTP/1.1; without it: HTTP. Changed files are loaded
//! # within 10 s and on SIGHUP; bad ones are not used, and the log says so.
//! [tls]
//! certificate = "/etc/ssl/ari.pem"  # required: the chain in PEM, the server's own first
//! key = "/etc/ssl/ari.key"          # required: in PEM
//!
//! # A token for the admin listener. `offpeak token new` prints such a block and its token. The token
//! # in OFFPEAK_ADMIN_TOKEN, if there is one, has every scope.
//! [[token]]
//! name = "issuance"                 # required, unique; used in logs
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"   # required, hex
//! scopes = ["ingest"]               # required: "ingest", "export" for a peer, or "admin" for everything
//! sources = ["ca", "observer:oslo"] # the sources as which it may report, each as source or source:vantage; default: any
//!
//! # A certificate authority.
//! [[ca]]
//! name = "example"                  # required, unique: 1 to 63 of a-z, 0-9 and -
//! environment = "production"        # a label; the ranking of all CAs includes only "production"
//! issuers = ["aYhba4dGQEHhs3uEe6CuLN4ByNQ"]   # key identifiers, as `offpeak ca CERT.pem` prints them; each in one CA
//! backdate = "3510s"                # notBefore lies this long before issuance; default "0s"
//! slot_minutes = 60                 # 60, 30, 15 or 5
//! follow_prior = 0.3                # share of clients assumed to follow their window at first
//! max_extra = 0.05                  # the most that renewing early may add to issuance, where lives last days: a share, 0 to 1
//! steerable_share = 0.5             # share of the mean load that readers of the ranking move
//! objective = 0.99                  # share of attempts that should succeed in each slot; default: none
//! learn_until = 2026-11-20T00:00:00Z   # pins the model to its state at this time, or sets it back to that; default: everything is learned
//! retry_after = "6h"                # the longest base of Retry-After, "1m" to "1d"
//! rebalance = "manual"              # "auto": windows are moved when the forecast has drifted
//! control_share = 0.0               # share of certificates that keep a plain window, for comparison: up to 0.5
//!
//! # The part of a life in which the renewal may be. The first band that fits a life is used, so the
//! # longest lives come first; lives that fit none use the default bands, which are these two.
//! [[ca.band]]
//! min_life = "10d"                  # for lives of this length or longer; default "0s"
//! end = "2/3 - 2h"                  # required: a fraction of the life, plus or minus a duration
//! length = "24h"                    # required: a duration, a fraction, or the smaller of both
//! max_length = 0.2                  # the band may widen up to this fraction of the life; default 0.2
//! [[ca.band]]
//! end = "0.49"
//! length = "min(24h, 0.15)"
//! max_length = 0.25
//!
//! # Times at which the CA takes less than usual: recurring …
//! [[ca.capacity]]
//! cron = "50 0 * * *"               # begins: minute, hour, day of month, month, day of week
//! time_zone = "UTC"                 # an IANA name, such as "Europe/Prague"; default "UTC"
//! duration = "10m"                  # required with cron, "31d" at most
//! capacity = 0                      # 1 normal, 0 closed, between: reduced; default 1
//! # … or once.
//! [[ca.capacity]]
//! from = 2026-12-24T18:00:00Z       # begins; instead of cron, time_zone and duration
//! to = 2026-12-27T06:00:00Z         # ends
//! capacity = 0.5
//! ceiling = 40000                   # certificates an hour at most, together with capacity or instead of it
//! name = "hsm"                      # the scarce resource; the forecast names the rule that limits
//!
//! # A bulk event that is known in advance: its load is expected, and windows keep out of its way.
//! [[ca.planned]]
//! from = 2026-12-01T02:00:00Z       # required: begins
//! to = 2026-12-01T03:00:00Z         # required: ends
//! certificates = 30000              # required: how many, evenly from `from` to `to`
//!
//! # Another policy, computed beside the CA's for each certificate and never served; one at most.
//! # Keys that are not given are the CA's. [[ca.shadow.band]] and [[ca.shadow.capacity]] are as
//! # above: if there is one, it replaces all of the CA's.
//! [[ca.shadow]]
//! slot_minutes = 30                 # as for the CA
//! follow_prior = 0.5                # as for the CA
//! max_extra = 0.05                  # as for the CA
//! retry_after = "12h"               # as for the CA
//! [[ca.shadow.band]]
//! end = "1/2"
//! length = "min(48h, 0.15)"
//! [[ca.shadow.capacity]]
//! from = 2026-12-24T18:00:00Z
//! to = 2026-12-27T06:00:00Z
//! capacity = 0.5
//!
//! # A note of the operator, on the page and in the ranking until its time is over.
//! [[note]]
//! ca = "example"                    # the CA that it is about; default all CAs
//! from = 2026-12-01T00:00:00Z       # required: the beginning of the time that it is about
//! to = 2026-12-02T00:00:00Z         # required: the end of that time
//! text = "migration of the validators"   # required: one line
//!
//! # An ACME server with this process in front of it (docs/gateway.md). Read at the start only.
//! [[gateway]]
//! name = "acme"                     # required, unique: for logs and metrics
//! ca = "example"                    # required: the [[ca]] for whose load it counts, or "default"
//! listen = "0.0.0.0:443"            # required: ADDRESS:PORT or "unix:/PATH"
//! upstream = "https://ca.internal:9000/acme/acme/directory"   # required: the URL of its directory
//! base_url = "https://acme.example.com"   # the URL for clients; default: the host in their request
//! upstream_roots = "/etc/offpeak/ca-root.pem"   # in PEM; default: the system's
//! upstream_certificate = "/etc/offpeak/client.pem"   # the client certificate for the upstream, with its key
//! upstream_key = "/etc/offpeak/client.key"
//! upstream_timeout = "40s"          # the time until the head of an answer, "1s" to "5m"
//! upstream_ari = "override"         # "relay": the directory keeps the upstream's own renewalInfo
//! new_orders_per_second = 50        # the limit; default: as many as the upstream can take (docs/admission.md)
//! hold = "20s"                      # how long new orders of unknown clients wait, "30s" at most; "0s": not at all
//! held = 20000                      # the most new orders that wait
//! account_orders = 300              # new orders of an account in account_period; default: no limit
//! account_period = "3h"             # the time in which they are refilled, one by one; "7d" at most
//! lenient_replaces = false          # true: an order whose `replaces` fails a check is passed on
//! register_within_ms = 250          # how long a request waits for offpeak's database and disk, 10000 at most
//! spool = "/var/lib/offpeak/spool"  # folder for certificates that wait for the store; default: beside the database
//! outage_after = "2m"               # after this time of failures only, an `outage` opens; default: never
//! [gateway.tls]
//! certificate = "/etc/ssl/acme.pem" # required
//! key = "/etc/ssl/acme.key"         # required
//!
//! # A revocation list: registered certificates in it have their windows now. A URL is read again as
//! # Cache-Control or nextUpdate say, after 1 minute to 1 hour; a file is checked each minute.
//! [[crl]]
//! ca = "example"                    # required: the CA
//! url = "http://ca.internal/crl.der"   # DER or PEM; or file
//! explanation_url = "https://ca.example/why"   # shown to clients with the window
//! [[crl]]
//! ca = "example"
//! file = "/var/lib/ca/crl.pem"      # DER or PEM; or url
//! issuer = "/etc/offpeak/ca.pem"    # the signer's certificate, DER or PEM; default: the signature is not checked
//!
//! # A place that gets each new publication, with SHA256SUMS: a folder, or an object store, for which
//! # AWS_…, AZURE_… or GOOGLE_… are in the environment. Of several processes one writes into a store.
//! [[publish]]
//! to = "s3://bucket/prefix"         # required: or "file:/var/www/ari", "gs://…", "az://…"
//! sign_with = "/etc/offpeak/minisign.key"   # made by `minisign -G -W`: a signature beside each file
//! gzip = false                      # store documents and pages in gzip, in an object store
//! retention = "400d"                # of files in r/… that nothing points at: "8d" or more; default: as above
//!
//! # A status page on which the CA announces maintenance. Each becomes an incident that closes its hours,
//! # changes with the page and ends with it. Read every 10 minutes.
//! [[status_page]]
//! ca = "example"                    # required: the CA
//! # Statuspage: …/api/v2/scheduled-maintenances.json; status.io: https://status.io/1.0/status/PAGE
//! url = "https://status.ca.example/api/v2/scheduled-maintenances.json"   # required
//! # Components whose maintenance closes the CA, by name or id; maintenance that names none always does.
//! # Default: those with "acme" in their name, and with "staging" only if that is the CA's environment
//! components = ["acme-v02.api.letsencrypt.org"]
//!
//! # A receiver of messages in the format of Standard Webhooks, each retried for a day. Messages are
//! # not repeated by another process or after a restart.
//! [[webhook]]
//! url = "https://ops.example.org/hook"   # required
//! on = ["failure-rate", "outage", "incident"]   # required: one of these or more
//! secret_file = "/etc/offpeak/webhook.secret"   # required: holds "whsec_" and base64
//! failure_rate = 0.2                # a message is sent from this share on, of 20 attempts or more in 15 minutes
//! ca = "example"                    # only about this CA; default: all
//!
//! # A source of load (docs/sources.md), with a table for each: logs of Certificate Transparency.
//! [[source]]
//! name = "le-ct"                    # required, unique: for logs and metrics; its position is stored under it
//! kind = "ct"                       # required: "csv", "ct", "folder", "log", "peer", "probe", "prometheus", "ranking" or "sql"
//! ca = "example"                    # required, except for "ct" and "folder": without it every [[ca]] with issuers
//! log_list = "log_list.json"        # required for "ct": a list in Google's format, a file or a URL
//! logs = ["2026h2", "2027h1"]       # only logs with one of these texts in their description; default: every usable log
//! contact = "mailto:ops@example.org"   # required for "ct" and "probe": your address for the operators, in the User-Agent
//! budget = "200MB/d"                # read a sample of this much a day; default: every entry is read
//! backfill = "14d"                  # how far back a new source begins; default "14d"
//! register = false                  # true: certificates are registered too; not with a budget; default false
//! # A growing log file, and the rotated ones beside it.
//! [[source]]
//! name = "front"
//! ca = "example"
//! kind = "log"
//! path = "/var/log/nginx/acme.log"  # required for "log", and for "folder": the folder of certificates
//! format = "pattern"                # required for "log": "nginx-combined", "apache-combined", "nginx-json", "caddy", "boulder-wfe", "boulder-ra", "step-ca", "openbao" or "pattern"
//! pattern = "{time} {method} {path} {status} {*}"   # required for "pattern": the fields of a line
//! vantage = "fronts"                # logs of the same vantage add up, such as those of two front ends; default: the source's name
//! by_client = false                 # true: failures are reported by client, from the user agent, in the ranking too; default false
//! # Counters in a Prometheus.
//! [[source]]
//! name = "metrics"
//! ca = "example"
//! kind = "prometheus"
//! url = "http://prometheus:9090"    # required for "prometheus": the server
//! query = "new_certificates"        # required for "prometheus": counters; their increases are added
//! counts = "issued"                 # what they count: "issued", "attempt" or "failed"; default "issued"
//! backfill = "14d"
//! # The CA itself, probed from outside through its directory and a nonce.
//! [[source]]
//! name = "oslo"
//! ca = "example"
//! kind = "probe"
//! url = "https://acme.example.com/directory"   # required for "probe": its directory
//! contact = "mailto:ops@example.org"
//! vantage = "oslo"                  # the place of this probe; default: the source's name
//! every = "30s"                     # between two rounds, "5s" to "1h"; default "30s"
//! outage_quorum = 2                 # this many vantages open and close an `outage`; default never
//! roots = "/etc/offpeak/ca-root.pem"   # trusted roots, in PEM; default: the system's
//! [source.order]                    # a whole order from time to time; default never
//! domain = "probe.example.com"      # required: a domain, or an IP address
//! http01 = "0.0.0.0:80"             # required: the address that answers its challenge
//! account_file = "/var/lib/offpeak/probe.json"   # required: the account, made with the first order
//! every = "6h"                      # between two orders, "10m" to "7d"; default "6h"
//! finalize = true                   # false: stop after the authorisation; default true
//! # A file of repeated exports, whose columns `columns` names.
//! [[source]]
//! name = "billing"
//! ca = "example"
//! kind = "csv"
//! path = "/var/lib/ca/load.csv"
//! source = "ca"                     # the kind as which it counts: "ca", "log", "metrics", "ct", or, without effect on the volume, "import" or "observer"; default "import"
//! row = "1h"                        # the span of a row, from its `at` on, "1m" to "1d"; default "1m"
//! [source.columns]                  # required for "csv" and "sql": the names of the columns
//! at = "hour"                       # required: RFC 3339 or Unix seconds
//! count = "certificates"            # default: each row is one event
//! kind = "what"                     # "issued", "attempt" or "failed"; default: `counts`
//! endpoint = "step"                 # such as "new-order"
//! error_type = "problem"            # an ACME URN
//! latency_ms = "median_ms"          # the median in milliseconds; only with `count`
//! # A query to another SQLite or PostgreSQL, over a read-only connection.
//! [[source]]
//! name = "issuance"
//! ca = "example"
//! kind = "sql"
//! database = "postgres://reader@db.internal/ca"   # required for "sql"
//! query = "SELECT issued FROM certificates WHERE issued >= to_timestamp($1) AND issued < to_timestamp($2)"   # required for "sql"
//! backfill = "14d"
//! [source.columns]
//! at = "issued"
//! # Another server's ranking, published and labelled as such until the CA has load of its own.
//! [[source]]
//! name = "start"
//! ca = "example"
//! kind = "ranking"
//! ranking = "https://ari.example.net/ranking.json"   # required for "ranking": a URL or a file
//! # Another offpeak, which gave you a token with the scope "export".
//! [[source]]
//! name = "frankfurt"
//! ca = "example"
//! kind = "peer"
//! url = "https://offpeak.example.net:8081"   # required for "peer": its admin listener
//! token_file = "/etc/offpeak/frankfurt.token"   # required for "peer": holds the token
//! sources = ["log", "observer:oslo"]   # required for "peer": the sources accepted from it, each as in [[token]]
//! their_ca = "example"              # the CA's name there; default: as here
//! backfill = "14d"
//! ```
//!
//! Durations are whole numbers with a unit, `d`, `h`, `m` or `s`, the largest first: `1h30m`; ten
//! years at most. Times are RFC 3339 with `Z` or an offset. Where capacity rules overlap, the
//! lowest share and the lowest ceiling apply. A flag overrides the environment, which overrides the
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

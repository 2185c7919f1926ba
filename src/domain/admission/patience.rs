//! How long a client waits for an answer, judged by its `User-Agent`.
//!
//! The `User-Agent` is only a claim. It decides how long a request may be held, but never the order
//! of service.

/// Seconds for unknown clients. Of the known ones, lego, Traefik (the same library) and Caddy give
/// up first, after 30 s. Holding for 20 s leaves the upstream 10 s for its answer.
pub const USUAL_SECONDS: i64 = 20;

/// certbot gives up after 45 s without an octet. In a test with Pebble its answer was held for 40
/// s, and it got its certificate.
const CERTBOT_SECONDS: i64 = 40;

/// Clients without any time-out. Idle connections are cut by intermediaries, if at all, after 240 s
/// (Azure's load balancer) to 350 s (Amazon's). RFC 5382 section 5 requires two hours of address
/// translators.
const UNLIMITED_SECONDS: i64 = 230;

/// The same for clients that run the `curl` program. It sends keep-alive probes every minute
/// (`--keepalive-time`, 60 s by default), so intermediaries do not cut the connection. Ten minutes
/// are as long as any client would be told to wait.
const CURL_SECONDS: i64 = 600;

/// How often an interim answer (`100 Continue`, RFC 9110 section 15.2) is sent while a request is
/// held: twice within certbot's time-out, and far sooner than any intermediary cuts an idle
/// connection.
pub const INTERIM_EVERY_SECONDS: i64 = 20;

/// A quarter of an hour, with interim answers all the while. With ten minutes, a third of certbot's
/// cron jobs at midnight were rejected (docs/simulation.md). These jobs have no time-out of their
/// own.
const INTERIM_SECONDS: i64 = 900;

/// Clients that skip interim answers and restart their time-out at each: Python's `http.client`,
/// which certbot (through requests) and acme-tiny (through urllib) use, and libcurl. Go's
/// `ResponseHeaderTimeout` is not restarted.
const SKIP_INTERIM: [&str; 3] = ["acme-tiny", "CertbotACMEClient/", "uacme/"];

/// The beginning of a `User-Agent`, and how long that client may be held, in seconds.
const KNOWN: [(&str, i64); 5] = [
    // `acme.sh`, `_post`: curl without --max-time.
    ("acme.sh/", CURL_SECONDS),
    // acme-tiny 5.0.1, `_do_request`: `urlopen` without a time-out.
    ("acme-tiny", UNLIMITED_SECONDS),
    // certbot 5.8, `acme/client.py`: `DEFAULT_NETWORK_TIMEOUT = 45`.
    ("CertbotACMEClient/", CERTBOT_SECONDS),
    // dehydrated 0.7.0, `http_request`: curl without --max-time.
    ("dehydrated/", CURL_SECONDS),
    // uacme 1.7.6, `curlwrap.c`: no CURLOPT_TIMEOUT.
    ("uacme/", UNLIMITED_SECONDS),
];

/// The longest time in seconds that a client's answer may be held. `usual` is the configured value
/// for unknown clients; if it is 0, nothing is held.
#[must_use]
pub fn hold_seconds(user_agent: &str, usual: i64) -> i64 {
    if usual == 0 {
        return 0;
    }
    KNOWN
        .iter()
        .find(|(begins, _)| user_agent.starts_with(begins))
        .map_or(usual, |(_, seconds)| (*seconds).max(usual))
}

/// The same if interim answers reach the client and are sent while it is held. `None` if they do
/// not make it wait longer.
#[must_use]
pub fn hold_seconds_with_interim(user_agent: &str, usual: i64) -> Option<i64> {
    let skips = SKIP_INTERIM
        .iter()
        .any(|begins| user_agent.starts_with(begins));
    (usual != 0 && skips).then(|| INTERIM_SECONDS.max(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_held_as_long_as_it_waits() {
        for (user_agent, seconds) in [
            ("CertbotACMEClient/5.8.0 (certbot; Linux)", 40),
            ("dehydrated/0.7.0 curl/7.88.1", 600),
            (
                "acme.sh/3.1.2 (https://github.com/acmesh-official/acme.sh)",
                600,
            ),
            ("uacme/1.7.4 (https://github.com/ndilieto/uacme)", 230),
            ("acme-tiny", 230),
            ("xenolf-acme/4.20.2 (release; linux; amd64)", 20),
            ("Caddy/2.11.2 CertMagic acmez (linux; amd64)", 20),
            ("curl/8 acme.sh/3", 20),
            ("", 20),
        ] {
            assert_eq!(
                hold_seconds(user_agent, USUAL_SECONDS),
                seconds,
                "{user_agent}"
            );
        }
        assert_eq!(hold_seconds("dehydrated/0.7.0", 0), 0);
        assert_eq!(hold_seconds("CertbotACMEClient/5.8.0", 60), 60);
    }

    #[test]
    fn who_skips_interim_answers_waits_longer_with_them() {
        for (user_agent, usual, seconds) in [
            ("CertbotACMEClient/5.8.0 (certbot; Linux)", 20, Some(900)),
            ("acme-tiny", 20, Some(900)),
            (
                "uacme/1.7.4 (https://github.com/ndilieto/uacme)",
                20,
                Some(900),
            ),
            ("CertbotACMEClient/5.8.0", 950, Some(950)),
            ("CertbotACMEClient/5.8.0", 0, None),
            ("xenolf-acme/4.20.2 (release; linux; amd64)", 20, None),
            ("dehydrated/0.7.0 curl/7.88.1", 20, None),
            ("", 20, None),
        ] {
            let held = hold_seconds_with_interim(user_agent, usual);
            assert_eq!(held, seconds, "{user_agent} {usual}");
        }
    }
}

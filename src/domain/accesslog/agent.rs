//! Which ACME client a user agent names.

/// Text in a user agent, ignoring case, and the client family it indicates. Clients often also name
/// their libraries, so the libraries come last.
const FAMILIES: [(&str, &str); 22] = [
    ("certbot", "certbot"),
    ("cert-manager", "cert-manager"),
    ("traefik", "traefik"),
    ("caddy", "caddy"),
    ("certmagic", "caddy"),
    ("acme.sh", "acme.sh"),
    ("dehydrated", "dehydrated"),
    ("mod_md", "mod_md"),
    ("nginx-acme", "nginx-acme"),
    ("posh-acme", "posh-acme"),
    ("simple-acme", "simple-acme"),
    ("win-acme", "win-acme"),
    ("wacs", "win-acme"),
    ("certify", "certify"),
    ("uacme", "uacme"),
    ("acme-tiny", "acme-tiny"),
    ("acme4j", "acme4j"),
    ("acmez", "acmez"),
    ("lego", "lego"),
    ("instant-acme", "instant-acme"),
    ("autocert", "autocert"),
    ("golang", "go"),
];

/// The family of all other clients.
pub(super) const OTHER: &str = "other";

/// The family of a client, from its user agent.
pub(super) fn family(agent: &str) -> &'static str {
    let agent = agent.to_ascii_lowercase();
    let named = FAMILIES.iter().find(|(part, _)| agent.contains(part));
    named.map_or(OTHER, |(_, family)| family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_known_by_their_own_name_before_that_of_their_library() {
        for (agent, want) in [
            (
                "CertbotACMEClient/1.21.0 (certbot; Ubuntu 22.04.3 LTS)",
                "certbot",
            ),
            (
                "acme.sh/3.0.7 (https://github.com/acmesh-official/acme.sh)",
                "acme.sh",
            ),
            ("Caddy/2.8.4 CertMagic acmez (linux; amd64)", "caddy"),
            (
                "cert-manager-challenges/v1.15.0 (linux/amd64) cert-manager/x",
                "cert-manager",
            ),
            ("containous-traefik/3.1 xenolf-acme/4.17.4 lego", "traefik"),
            (
                "xenolf-acme/4.17.4 (release; linux; amd64) goacme/lego",
                "lego",
            ),
            ("Apache/2.4.62 mod_md/2.4.26", "mod_md"),
            ("curl/8.5.0", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(family(agent), want, "{agent}");
        }
    }
}

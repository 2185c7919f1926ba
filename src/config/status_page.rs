//! `[[status_page]]`: the page on which a CA announces maintenance.

use toml::de::DeValue;

use super::error::Problems;
use super::named::{self, web_url};
use super::section::Section;
use super::value;
use crate::domain::policy::ca::{CaName, CaPolicy};

/// The longest name of a component: providers allow about 100 characters.
const LONGEST_COMPONENT: usize = 200;

/// A status page.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct StatusPageConfig {
    /// The CA.
    pub ca: CaName,
    /// The URL of its machine-readable form.
    pub url: String,
    /// The components, by name or id, whose maintenance closes the CA. Empty: those with a name of the
    /// environment's ACME server.
    pub components: Vec<String>,
}

/// All status pages.
pub(super) fn all(
    root: &mut Section<'_>,
    cas: &[CaPolicy],
    problems: &mut Problems<'_>,
) -> Vec<StatusPageConfig> {
    let mut found: Vec<StatusPageConfig> = Vec::new();
    for mut section in root.sections("status_page", problems) {
        let ca = section.require("ca", problems, |v| named::ca(v, cas));
        let url = section.require("url", problems, web_url);
        let components = section.list("components", problems, |v, _| component(v));
        section.finish(problems);
        let page = ca.zip(url).map(|(ca, url)| StatusPageConfig {
            ca,
            url,
            components,
        });
        found.extend(page);
    }
    found
}

fn component(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?.trim();
    if (1..=LONGEST_COMPONENT).contains(&text.len()) && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is no name of a component, of 1 to {LONGEST_COMPONENT} octets"
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn a_page_has_a_ca_and_a_url() {
        let text = "[[status_page]]\nca = \"default\"\nurl = \"https://status.io/1.0/status/5\"\n";
        let read = Config::parse(text).unwrap().status_pages;
        assert_eq!(read[0].url, "https://status.io/1.0/status/5");
        assert!(read[0].components.is_empty());
        let text = format!("{text}components = [\"acme-v02.api\", \"z3f\"]\n");
        let read = Config::parse(&text).unwrap().status_pages;
        assert_eq!(read[0].components, ["acme-v02.api", "z3f"]);
        let wrong = format!(
            "{}components = [\"\", 5]\n",
            "[[status_page]]\nca = \"default\"\nurl = \"https://status.io/1.0/status/5\"\n"
        );
        let found = Config::parse(&wrong).unwrap_err();
        assert!(
            found
                .iter()
                .all(|fault| fault.to_string().contains("status_page[0].components")),
            "{found:?}"
        );
        let found = Config::parse("[[status_page]]\nca = \"other\"\nurl = \"page\"\n").unwrap_err();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(
            found[0].contains("2: status_page[0].ca: no [[ca]]"),
            "{found:?}"
        );
        assert!(
            found[1].contains("3: status_page[0].url: \"page\" is no"),
            "{found:?}"
        );
    }
}

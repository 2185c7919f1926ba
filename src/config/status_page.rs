//! `[[status_page]]`: where a CA announces maintenance.

use super::error::Problems;
use super::named::{self, web_url};
use super::section::Section;
use crate::domain::policy::ca::{CaName, CaPolicy};

/// A status page.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct StatusPageConfig {
    /// Whose.
    pub ca: CaName,
    /// Where its machine-readable form is.
    pub url: String,
}

/// All of them.
pub(super) fn all(
    root: &mut Section<'_>,
    cas: &[CaPolicy],
    problems: &mut Problems<'_>,
) -> Vec<StatusPageConfig> {
    let mut found: Vec<StatusPageConfig> = Vec::new();
    for mut section in root.sections("status_page", problems) {
        let ca = section.require("ca", problems, |v| named::ca(v, cas));
        let url = section.require("url", problems, web_url);
        section.finish(problems);
        let page = ca.zip(url).map(|(ca, url)| StatusPageConfig { ca, url });
        found.extend(page);
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn a_page_has_a_ca_and_a_url() {
        let text = "[[status_page]]\nca = \"default\"\nurl = \"https://status.io/1.0/status/5\"\n";
        let read = Config::parse(text).unwrap().status_pages;
        assert_eq!(read[0].url, "https://status.io/1.0/status/5");
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

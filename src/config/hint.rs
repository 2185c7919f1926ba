//! "Did you mean": the most similar of the valid names.

use strsim::levenshtein;

/// `; did you mean "x"?` if one of `known` is similar, else nothing.
pub fn did_you_mean<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(given, known).map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

/// The most similar name, if at most a third of it would have to change, or two characters.
fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let given = given.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| (levenshtein(&given, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(2) && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_at_what_is_near_and_at_nothing_else() {
        let known = ["listen", "admin_listen", "retention", "cron"];
        for (given, want) in [
            ("lisen", Some("listen")),
            ("admin-listen", Some("admin_listen")),
            ("Retention", Some("retention")),
            ("crno", Some("cron")),
            ("workers", None),
            ("x", None),
        ] {
            assert_eq!(nearest(given, known), want, "{given}");
        }
        assert_eq!(did_you_mean("x", known), "");
    }
}

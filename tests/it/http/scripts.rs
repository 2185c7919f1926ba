//! The conversations of `scripts/`, a test each.

use super::script::{cases, run};

/// A test for each case that a file has.
macro_rules! scripts {
    ($($file:literal { $(fn $case:ident;)* })*) => {
        $($(
            #[tokio::test]
            async fn $case() {
                run(include_str!($file), stringify!($case)).await;
            }
        )*)*

        /// Files and the tests that run their cases.
        const FILES: &[(&str, &str, &[&str])] =
            &[$(($file, include_str!($file), &[$(stringify!($case)),*])),*];
    };
}

scripts! {
    "scripts/errors.txt" {
        fn every_error_has_a_stable_type_and_words_for_people;
        fn a_path_that_holds_no_certid_is_refused_with_the_reason;
        fn an_unknown_format_is_refused_with_those_that_are_taken;
        fn what_is_wrong_in_an_object_is_named_by_the_path_to_it;
    }
    "scripts/renewal_info.txt" {
        fn a_registered_certificate_has_its_window_at_once;
        fn the_answer_is_the_same_under_both_spellings_and_any_query_string;
        fn head_says_what_get_would;
        fn what_the_client_has_is_not_sent_again;
        fn a_preflight_gets_leave;
        fn an_expired_or_replaced_certificate_still_has_its_window;
        fn a_removed_certificate_is_gone;
    }
    "scripts/registry.txt" {
        fn certificates_come_in_and_the_report_says_what_became_of_each;
        fn explain_and_remove_know_both_spellings;
        fn a_successor_is_named_once_and_taken_back;
        fn a_request_with_a_key_counts_once;
        fn readiness_follows_the_documents;
    }
}

#[test]
fn every_case_is_run() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/http/scripts");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), FILES.len());
    for (file, text, tests) in FILES {
        let titles: Vec<String> = cases(text)
            .map(|(title, _)| title.replace(' ', "_"))
            .collect();
        assert_eq!(titles, *tests, "{file}");
    }
}

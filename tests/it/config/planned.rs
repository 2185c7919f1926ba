//! `[[ca.planned]]`.

use super::*;
use offpeak::domain::policy::planned::Planned;

fn planned(lines: &str) -> String {
    one_ca(&format!("[[ca.planned]]\n{lines}"))
}

#[test]
fn planned_events_are_read_in_their_order() {
    let text = planned(
        "from = 2026-12-01T02:00:00Z\nto = 2026-12-01T03:00:00Z\ncertificates = 30000\n\
         [[ca.planned]]\nfrom = 0\nto = 60\ncertificates = 0.5\n",
    );
    let config = Config::parse(&text).unwrap();
    let [first, second] = &config.cas[0].planned[..] else {
        panic!("{:?}", config.cas[0].planned);
    };
    let span = Span {
        from: "2026-12-01T02:00:00Z".parse().unwrap(),
        to: "2026-12-01T03:00:00Z".parse().unwrap(),
    };
    let certificates = 30_000.0;
    assert_eq!(*first, Planned { span, certificates });
    assert_eq!(second.certificates, 0.5);
}

#[test]
fn what_is_wrong_with_a_planned_event_is_named_by_key_and_line() {
    let ca = one_ca;
    #[rustfmt::skip]
    let table: Vec<(String, usize, &str, &str)> = vec![
        (planned("to = 1\ncertificates = 1"), 3, "ca[0].planned[0].from", "is missing"),
        (planned("from = 0\ncertificates = 1"), 3, "ca[0].planned[0].to", "is missing"),
        (planned("from = 0\nto = 1"), 3, "ca[0].planned[0].certificates", "is missing"),
        (planned("from = 2\nto = 1\ncertificates = 1"), 5, "ca[0].planned[0].to", "is not after from"),
        (planned("from = 0\nto = 1\ncertificates = 0"), 6, "ca[0].planned[0].certificates", "is not more than 0"),
        (planned("from = 0\nto = 1\ncertificates = \"many\""), 6, "ca[0].planned[0].certificates", "takes a number"),
        (planned("from = 0\nto = 1\ncertificate = 1\ncertificates = 1"), 6, "ca[0].planned[0].certificate", "did you mean \"certificates\"?"),
        (ca("[ca.planned]\nfrom = 0"), 3, "ca[0].planned", "is a table: write [[ca.planned]]"),
    ];
    for (text, line, key, reason) in table {
        let errors = errors(&text);
        let [error] = &errors[..] else {
            panic!("{text}\n{errors:#?}");
        };
        let place = (error.line, error.key.as_str());
        assert_eq!(place, (line, key), "{text}\n{error}");
        assert!(error.reason.contains(reason), "{text}\n{error}");
    }
}

#[test]
fn a_planned_event_changes_the_digest_and_its_place_does_not() {
    let digest = |lines: &[[u32; 3]]| {
        let sections: Vec<String> = lines
            .iter()
            .map(|[from, to, certificates]| {
                format!("[[ca.planned]]\nfrom = {from}\nto = {to}\ncertificates = {certificates}\n")
            })
            .collect();
        let text = one_ca(&sections.concat());
        Config::parse(&text).unwrap().policy_digest()
    };
    let variants: [&[[u32; 3]]; 6] = [
        &[],
        &[[0, 1, 1]],
        &[[0, 2, 1]],
        &[[1, 2, 1]],
        &[[0, 1, 2]],
        &[[0, 1, 1], [0, 1, 1]],
    ];
    let digests: std::collections::HashSet<u64> = variants.map(digest).into_iter().collect();
    assert_eq!(digests.len(), variants.len());
    assert_eq!(
        digest(&[[0, 1, 1], [3, 4, 5]]),
        digest(&[[3, 4, 5], [0, 1, 1]])
    );
}

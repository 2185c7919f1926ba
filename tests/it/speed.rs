//! `./bench`: its generator, what it writes, and its document. The modules carry their own tests.

#[path = "../../benches/speed/program/mod.rs"]
mod program;

/// What `./bench --list` prints.
fn listed() -> String {
    let mut out = Vec::new();
    program::run(["--list".to_owned()].into_iter(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_row_of_the_comparison_is_in_the_document_with_its_target() {
    let document = std::fs::read_to_string("docs/performance.md").unwrap();
    let rows = listed();
    assert!(rows.lines().count() > 30, "{rows}");
    for line in rows.lines() {
        let name = line.split_whitespace().nth(1).unwrap();
        assert!(
            document.contains(&format!("`{name}`")),
            "{name} is not explained"
        );
    }
}

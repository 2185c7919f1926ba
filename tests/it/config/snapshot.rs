//! Where the file of the certificates in memory is.

use std::path::Path;

use super::*;

#[test]
fn the_snapshot_is_next_to_an_sqlite_file_unless_configured_otherwise() {
    for (text, want) in [
        ("", Some("offpeak.db.index")),
        (
            "database = \"sqlite:///var/lib/o.db\"",
            Some("/var/lib/o.db.index"),
        ),
        ("database = \"sqlite::memory:\"", None),
        ("database = \"postgres://h/d\"", None),
        (
            "database = \"postgres://h/d\"\nsnapshot = \"/x/i\"",
            Some("/x/i"),
        ),
        ("snapshot = \"\"", None),
    ] {
        let file = Config::parse(text).unwrap().snapshot_file();
        assert_eq!(file.as_deref(), want.map(Path::new), "{text}");
    }
}

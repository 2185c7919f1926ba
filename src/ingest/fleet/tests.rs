use super::*;
use crate::domain::policy::ca::CaName;
use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::{DAY, HOUR, Span, Timestamp};

const ID: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn parsed(text: &str) -> Fleet {
    Fleet::parse(text.as_bytes()).unwrap()
}

#[test]
fn csv_keeps_the_columns_of_its_owner() {
    let fleet = parsed(
        "customer,names,Not_After,account,team\n\
         7,\"a.example, b.example\",2026-12-24,acct-1,\"x, \"\"y\"\"\"\n\
         8,c.example,2026-12-25T06:00:00Z,,z\n",
    );
    let [first, second] = &fleet.members[..] else {
        panic!("{fleet:?}");
    };
    assert_eq!(first.names, ["a.example", "b.example"]);
    assert_eq!(first.not_after, Some(at("2026-12-24T00:00:00Z")));
    assert_eq!(first.account.as_deref(), Some("acct-1"));
    assert_eq!(
        (second.label(), second.account.clone()),
        ("c.example".to_owned(), None)
    );
    let table = fleet.table.unwrap();
    assert_eq!(
        table.header.join("|"),
        "customer|names|Not_After|account|team"
    );
    assert_eq!(table.rows[0][4], "x, \"y\"");
}

#[test]
fn a_header_of_none_of_our_columns_is_no_list_of_names() {
    let error = Fleet::parse(b"name,team\na.example,blue\n").unwrap_err();
    assert_eq!(
        error,
        FleetError::Header(vec!["name".to_owned(), "team".to_owned()])
    );
    // Names without a dot are accepted if the list contains only such names.
    assert_eq!(parsed("intranet,www\nwiki\n").members.len(), 2);
}

#[test]
fn json_and_plain_lists_are_recognised_by_their_beginning() {
    for text in [
        format!("[{{\"certId\":\"{ID}\"}},{{\"names\":[\"a.example\"]}}]"),
        format!("{{\"certId\":\"{ID}\"}}\n{{\"names\":[\"a.example\"]}}\n"),
        format!("# mine\n{ID}\n\na.example\n"),
        format!("cert_id,names\n{ID},\n,a.example\n"),
    ] {
        let fleet = parsed(&text);
        assert_eq!(fleet.members.len(), 2, "{text}");
        assert_eq!(fleet.members[0].label(), ID, "{text}");
        assert_eq!(fleet.members[1].label(), "a.example", "{text}");
    }
    assert_eq!(
        parsed("a.example www.a.example\n").members[0].names.len(),
        2
    );
}

#[test]
fn what_is_wrong_is_named_by_line_and_field() {
    for (text, want) in [
        ("id,names\n1,a\n2,b,c\n", "line 3: record:"),
        (
            "id,account\n1,a\n",
            "the header has none of the columns cert_id, names and not_after",
        ),
        ("cert_id\nxyz\n", "line 2: cert_id:"),
        (
            "names,deadline\na,soon\n",
            "line 2: deadline: \"soon\" is no time",
        ),
        ("names,ari\na,maybe\n", "line 2: ari: \"maybe\" is neither"),
        (
            "{\"names\":[\"a\"]}\n{\"name\":\"a\"}\n",
            "line 2: record: unknown field `name`",
        ),
        (
            "{\"notBefore\":2,\"notAfter\":1}",
            "line 1: notAfter: 1970-01-01T00:00:01Z is before",
        ),
        ("[{\"earliest\":5,\"deadline\":5}]", "line 1: [0].deadline:"),
    ] {
        let error = Fleet::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(want), "{text}: {error}");
    }
}

#[test]
fn a_window_is_the_member_s_own_or_its_band() {
    let policy = CaPolicy::named(CaName::default());
    let now = at("2026-11-28T10:00:00Z");
    let usual = Usual {
        now,
        deadline: None,
        account: "",
        without_ari: false,
        policy: &policy,
        given: None,
    };
    let dated = |not_before: &str| {
        let not_before = at(not_before);
        Member {
            not_before: Some(not_before),
            not_after: Some(not_before + 90 * DAY - 1),
            ..Member::default()
        }
    };
    // A day, ending two hours before day 60.
    let band = dated("2026-11-01T00:00:00Z")
        .renewal(&usual)
        .window
        .unwrap();
    assert_eq!(band.to, at("2026-11-01T00:00:00Z") + 60 * DAY - 2 * HOUR);
    assert_eq!(band.seconds(), DAY);
    // Expired, so soon.
    let late = dated("2026-01-01T00:00:00Z")
        .renewal(&usual)
        .window
        .unwrap();
    assert_eq!(
        late,
        Span {
            from: now + 1,
            to: now + 1 + DAY
        }
    );
    let all = Usual {
        deadline: Some(now + 3 * DAY),
        ..usual.clone()
    };
    let until = dated("2026-11-01T00:00:00Z").renewal(&all).window.unwrap();
    assert_eq!(
        until,
        Span {
            from: now + 1,
            to: now + 3 * DAY
        }
    );
    // Not later than the end of its validity.
    let ends = Member {
        not_after: Some(now + DAY),
        ..Member::default()
    };
    assert_eq!(ends.renewal(&all).window.unwrap().to, now + DAY);
    assert_eq!(Member::default().renewal(&usual).window, None);
    let renewal = Member {
        cert_id: ID.parse().ok(),
        ..Member::default()
    }
    .renewal(&usual);
    assert!(renewal.by_ari);
}

/// A line of a megabyte is quoted only in part.
#[test]
fn a_long_value_is_shown_cut() {
    let long = "9".repeat(1 << 20);
    for list in [
        format!("names\n{long}.example\n"),
        format!("names,deadline\na.example,{long}\n"),
        format!("{long}.example\n"),
        format!("[{{\"names\": [\"{long}\"]}}]"),
    ] {
        let message = Fleet::parse(list.as_bytes()).unwrap_err().to_string();
        assert!(
            message.len() < 400 && message.contains("line "),
            "{}",
            message.len()
        );
    }
}

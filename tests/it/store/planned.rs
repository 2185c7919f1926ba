//! Bulk events.

use offpeak::domain::policy::planned::Planned;
use offpeak::store::{MOST_PLANNED, StoredPlanned};

use super::*;

on_all_stores!(events_are_kept_until_they_are_withdrawn_or_long_over);

fn event(name: &str, hour: i64) -> StoredPlanned {
    let from = Timestamp::from_unix(START) + hour * HOUR;
    StoredPlanned {
        id: 0,
        ca: "example".parse().unwrap(),
        name: name.to_owned(),
        event: Planned {
            span: Span {
                from,
                to: from + HOUR,
            },
            certificates: 30_000.5,
        },
        made_at: Timestamp::from_unix(START),
    }
}

async fn events_are_kept_until_they_are_withdrawn_or_long_over(url: &str) {
    let store = open(url).await;
    let start = Timestamp::from_unix(START);
    assert_eq!(store.planned().await.unwrap(), []);
    let later = store
        .announce(&event("later", 50), start)
        .await
        .unwrap()
        .unwrap();
    let sooner = store
        .announce(&event("sooner", 2), start)
        .await
        .unwrap()
        .unwrap();
    let expected = |name: &str, hour: i64, id: i64| StoredPlanned {
        id,
        ..event(name, hour)
    };
    // In the order in which they begin, whoever reads.
    let both = [expected("sooner", 2, sooner), expected("later", 50, later)];
    assert_eq!(open(url).await.planned().await.unwrap(), both);
    assert!(store.withdraw(later).await.unwrap());
    assert!(!store.withdraw(later).await.unwrap());
    // One that is long over goes with the next that is announced.
    let last = store
        .announce(&event("last", 900), start + DAY)
        .await
        .unwrap()
        .unwrap();
    assert!(last > later, "a number is never given again");
    assert_eq!(
        store.planned().await.unwrap(),
        [expected("last", 900, last)]
    );
    for hour in 1..MOST_PLANNED {
        assert!(
            store
                .announce(&event("many", 900 + hour), start)
                .await
                .unwrap()
                .is_some()
        );
    }
    assert_eq!(
        store.announce(&event("too many", 1), start).await.unwrap(),
        None
    );
}

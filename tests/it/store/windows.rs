//! Certificates looked for by their windows.

use super::*;

use offpeak::domain::certificate::Successor;

on_all_stores!(
    certificates_come_by_their_windows,
    pages_of_few_among_many_miss_none,
);

/// All pages of so many.
async fn pages(store: &dyn Store, span: Span, now: Timestamp, limit: u32) -> Vec<Vec<Certificate>> {
    let mut pages: Vec<Vec<Certificate>> = Vec::new();
    loop {
        let last = pages.last().and_then(|page| page.last());
        let range = IdRange::after(last.map(|one| one.id.clone()));
        let page = store
            .certificates_with_windows_in(span, now, &range, limit)
            .await
            .unwrap();
        if page.is_empty() {
            return pages;
        }
        pages.push(page);
    }
}

fn in_order(mut certificates: Vec<Certificate>) -> Vec<Certificate> {
    certificates.sort_by(|a, b| a.id.cmp(&b.id));
    certificates
}

async fn certificates_come_by_their_windows(url: &str) {
    let store = open(url).await;
    let span = Span {
        from: Timestamp::from_unix(START),
        to: Timestamp::from_unix(START + 100),
    };
    let now = Timestamp::from_unix(START - 1_000);
    let with = |serial: u32, from: i64, to: i64| Certificate {
        window: Span {
            from: span.from + from,
            to: span.from + to,
        },
        ..certificate(serial)
    };
    let mut replaced = with(20, 10, 20);
    replaced.successor = Some(Successor::By(id(1)));
    let mut ordered = with(21, 10, 20);
    ordered.successor = Some(Successor::Order("order".to_owned()));
    let mut ended = with(22, 10, 20);
    ended.validity.not_after = now;
    let others = [
        with(0, -50, 0),
        with(1, 100, 200),
        with(2, -90, -80),
        with(3, 180, 190),
        replaced,
        ordered,
        ended,
    ];
    let mut living = with(15, 10, 20);
    living.validity.not_after = now + 1;
    let wanted = vec![
        with(10, -50, 1),
        with(11, 99, 200),
        with(12, -50, 200),
        with(13, 0, 100),
        with(14, 40, 41),
        living,
    ];
    register(&*store, &others).await;
    register(&*store, &wanted).await;
    let wanted = in_order(wanted);
    for limit in [1, 4, 6, 100] {
        let read = pages(&*store, span, now, limit).await;
        let size = limit.min(6) as usize;
        assert!(read[..read.len() - 1].iter().all(|page| page.len() == size));
        assert_eq!(read.concat(), wanted);
    }
    assert_eq!(pages(&*store, span, now, 0).await.len(), 0);
    assert_eq!(pages(&*store, span, Timestamp::MAX, 9).await.len(), 0);
}

/// More certificates than one look of PostgreSQL's passes, and those looked for far between.
async fn pages_of_few_among_many_miss_none(url: &str) {
    let store = open(url).await;
    let all = certificates(0..3_500);
    register(&*store, &all).await;
    let now = Timestamp::from_unix(START);
    let span = Span {
        from: all[1_700].window.from,
        to: all[1_705].window.from,
    };
    let overlaps = |one: &Certificate| one.window.overlap_seconds(span) > 0;
    let wanted = in_order(all.iter().filter(|one| overlaps(one)).cloned().collect());
    assert!((500..1_000).contains(&wanted.len()));
    for limit in [7, 500, 2_000] {
        assert_eq!(pages(&*store, span, now, limit).await.concat(), wanted);
    }
    // One, at the very end of the order; and none at all.
    let last = in_order(all.clone()).remove(3_499);
    let seconds = 10 * DAY;
    let far = Move {
        id: last.id.clone(),
        from: last.window,
        to: Span {
            from: last.window.from + seconds,
            to: last.window.to + seconds,
        },
        basis: last.basis,
        cause: last.cause,
    };
    let taken = store.move_windows(&[], std::slice::from_ref(&far));
    assert_eq!(taken.await.unwrap(), 1);
    let want = vec![vec![after(&far, last)]];
    assert_eq!(pages(&*store, far.to, now, 5).await, want);
    let never = Span {
        from: far.to.to,
        to: Timestamp::MAX,
    };
    assert_eq!(pages(&*store, never, now, 5).await.len(), 0);
}

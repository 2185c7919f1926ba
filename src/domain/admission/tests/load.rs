//! Spikes, overload, closing times.

use super::*;
use crate::math::number::length;

#[test]
fn a_spike_of_15_seconds_of_capacity_is_served_whole_within_16() {
    for rate in [2.0, 50.0, 150.0] {
        let mut run = Run::new(limits(rate));
        let count = whole(15.0 * rate);
        for n in 0..count {
            run.comes(at(real(n) / real(count)), first(u64::try_from(n).unwrap()));
        }
        let seen = run.until_the_end();
        assert!(seen.turned_away.is_empty());
        assert_eq!(seen.forwarded.len(), length(count));
        let last = seen.forwarded.last().unwrap().0 - at(0.0);
        assert!(last <= 16 * SECOND, "{rate}: {last}");
        assert!(seen.most_in_a_second() <= rate.ceil());
    }
}

#[test]
fn of_tenfold_overload_for_a_minute_everybody_is_served_level_and_most_at_their_second() {
    for rate in [4.0, 12.0] {
        let mut run = Run::new(limits(rate));
        let count = whole(600.0 * rate);
        for n in 0..count {
            run.comes(
                at(60.0 * real(n) / real(count)),
                first(u64::try_from(n).unwrap()),
            );
        }
        let seen = run.until_the_end();
        assert_eq!(seen.forwarded.len(), length(count));
        assert!(seen.most_in_a_second() <= rate.ceil());
        assert!(
            seen.most_returns() <= 1.1 * rate + 3.0 * rate.sqrt(),
            "{}",
            seen.most_returns()
        );
        let away: Vec<u64> = seen
            .turned_away
            .iter()
            .map(|(_, request, _)| request.order)
            .collect();
        let distinct: BTreeSet<u64> = away.iter().copied().collect();
        assert_eq!(away.len(), distinct.len(), "nobody is turned away twice");
        assert!(
            seen.turned_away
                .iter()
                .all(|(_, _, after)| (60..=600).contains(after))
        );
    }
}

#[test]
fn who_comes_at_its_second_is_served_before_newcomers() {
    let mut run = Run::new(limits(4.0));
    // Twice the upstream's capacity, for ten minutes.
    for n in 0..4_800_u32 {
        run.comes(at(f64::from(n) / 8.0), first(n.into()));
    }
    let seen = run.until_the_end();
    let mut assigned: BTreeMap<u64, i64> = BTreeMap::new();
    for (now, request, after) in &seen.turned_away {
        let before = assigned.insert(request.order, now.second() + after);
        assert!(before.is_none(), "{} was turned away twice", request.order);
    }
    assert!(assigned.len() > 1_000, "{}", assigned.len());
    for (now, request) in &seen.forwarded {
        if let Some(second) = assigned.get(&request.order) {
            assert!(now.second() - second <= 6, "{} late", now.second() - second);
        }
    }
}

#[test]
fn nothing_is_forwarded_or_promised_while_the_ca_is_closed() {
    let span = Span {
        from: Timestamp::from_unix(START),
        to: Timestamp::from_unix(START + 400),
    };
    let ceilings = vec![Ceiling {
        span,
        per_second: 0.0,
    }];
    let mut run = Run::new(Limits {
        ceilings,
        new_orders_per_second: None,
        ..limits(1.0)
    });
    for n in 0..100_u32 {
        run.comes(at(f64::from(n)), first(u64::from(n)));
    }
    let seen = run.until_the_end();
    assert!(
        seen.turned_away
            .iter()
            .all(|(now, _, after)| now.second() + after >= START + 400)
    );
    assert_eq!(seen.forwarded.len(), 100);
    assert!(seen.forwarded[0].0 >= at(400.0));
}

#[test]
fn without_a_limit_nobody_waits() {
    let mut run = Run::new(Limits {
        new_orders_per_second: None,
        ..limits(1.0)
    });
    for n in 0..10_000 {
        run.comes(at(0.0), first(n));
    }
    let seen = run.until_the_end();
    assert_eq!((seen.forwarded.len(), seen.longest_held), (10_000, 0));
}

#[test]
fn held_requests_get_a_second_when_it_closes_and_not_before() {
    let mut admission = Admission::new(limits(2.0));
    for n in 0..30 {
        admission.ask(at(0.0), &first(n));
    }
    assert_eq!(admission.held(), 29);
    admission.close(at(5.0));
    let (mut went, mut assigned) = (0, Vec::new());
    let mut now = at(0.0);
    while let Some(wakes) = admission.wakes_at(now) {
        now = wakes;
        assert!(now <= at(5.0), "{now:?}");
        while let Some(event) = admission.next(now) {
            match event {
                Event::Forward(_) => went += 1,
                Event::TurnAway {
                    retry_after_seconds,
                    ..
                } => assigned.push((now, retry_after_seconds)),
            }
        }
    }
    assert!((8..=10).contains(&went), "{went}");
    assert_eq!(went + assigned.len(), 29);
    let seconds: BTreeSet<i64> = assigned.iter().map(|(_, after)| *after).collect();
    assert_eq!(
        seconds.len(),
        assigned.len(),
        "each is told a second of its own"
    );
    assert!(assigned.iter().all(|(when, _)| *when == at(5.0)));
    // From then on nothing is held, and a request that can be forwarded at once is.
    assert_eq!(admission.ask(at(6.0), &first(100)), Decision::Forward);
    let late = admission.ask(at(6.0), &first(101));
    assert!(matches!(late, Decision::TurnAway { .. }), "{late:?}");
}

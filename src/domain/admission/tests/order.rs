//! The order of service, and which request gives up its place.

use super::*;

#[test]
fn classes_are_served_in_their_order_and_only_the_verified_have_one() {
    let mut admission = Admission::new(limits(1.0));
    let now = at(0.0);
    let request = |n, renewal, failures| Request {
        renewal,
        failures,
        ..first(n)
    };
    assert_eq!(admission.ask(now, &first(0)), Decision::Forward);
    let unverified = Request {
        party: Party::Address(9),
        ..request(9, Renewal::Due, 0)
    };
    let asked = [
        request(1, Renewal::Due, 3),
        unverified,
        request(2, Renewal::No, 0),
        request(3, Renewal::Early, 0),
        request(4, Renewal::Due, 2),
    ];
    let tickets: Vec<Ticket> = asked
        .iter()
        .map(|request| match admission.ask(now, request) {
            Decision::Hold(ticket) => ticket,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut served = Vec::new();
    for second in 1..=5 {
        match admission.next(at(1.02 * f64::from(second))) {
            Some(Event::Forward(ticket)) => served.push(ticket),
            other => panic!("{other:?}"),
        }
    }
    let want = [4, 3, 1, 2, 0].map(|n: usize| tickets[n]);
    assert_eq!(served, want);
}

#[test]
fn an_unverified_request_cannot_use_a_promised_second() {
    for (party, is_first) in [(Party::Account(7), true), (Party::Address(7), false)] {
        let mut admission = Admission::new(limits(1.0));
        let request = Request {
            party,
            hold_seconds: 0,
            ..first(7)
        };
        assert_eq!(admission.ask(at(0.0), &first(1)), Decision::Forward);
        let Decision::TurnAway {
            retry_after_seconds,
        } = admission.ask(at(0.0), &request)
        else {
            panic!("it may not be held");
        };
        let assigned = at(real(retry_after_seconds));
        assert_eq!(admission.ask(assigned, &first(2)), Decision::Forward);
        let Decision::Hold(newcomer) = admission.ask(assigned, &first(3)) else {
            panic!("the queue is empty");
        };
        let back = Request {
            hold_seconds: 20,
            ..request
        };
        let Decision::Hold(back) = admission.ask(assigned, &back) else {
            panic!("it may be held");
        };
        let want = if is_first { back } else { newcomer };
        assert_eq!(
            admission.next(assigned + 2 * SECOND),
            Some(Event::Forward(want))
        );
    }
}

#[test]
fn asking_again_and_again_books_one_second() {
    let mut admission = Admission::new(limits(1.0));
    assert_eq!(admission.ask(at(0.0), &first(1)), Decision::Forward);
    let request = Request {
        hold_seconds: 0,
        ..first(7)
    };
    let mut assigned = BTreeSet::new();
    for n in 0..50 {
        let now = at(f64::from(n) / 60.0);
        match admission.ask(now, &request) {
            Decision::TurnAway {
                retry_after_seconds,
            } => {
                assigned.insert(now.second() + retry_after_seconds);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(assigned.len(), 1, "{assigned:?}");
}

#[test]
fn a_better_one_takes_the_place_of_the_last_where_the_queue_is_full() {
    let mut admission = Admission::new(Limits {
        held: 2,
        ..limits(1.0)
    });
    let now = at(0.0);
    assert_eq!(admission.ask(now, &first(0)), Decision::Forward);
    let held: Vec<Decision> = (1..=3).map(|n| admission.ask(now, &first(n))).collect();
    assert!(matches!(
        held[..],
        [
            Decision::Hold(_),
            Decision::Hold(_),
            Decision::TurnAway { .. }
        ]
    ));
    let renewal = Request {
        renewal: Renewal::Due,
        ..first(4)
    };
    let Decision::Hold(renewal) = admission.ask(now, &renewal) else {
        panic!("it is better than the last");
    };
    let (Decision::Hold(one), Decision::Hold(two)) = (held[0], held[1]) else {
        unreachable!()
    };
    assert_eq!(admission.wakes_at(now), Some(now));
    let displaced = admission.next(now);
    assert!(matches!(displaced, Some(Event::TurnAway { ticket, .. }) if ticket == two));
    let served = [1.02, 2.04].map(|second| admission.next(at(second)));
    assert_eq!(
        served,
        [renewal, one].map(|ticket| Some(Event::Forward(ticket)))
    );
}

#[test]
fn the_octets_of_what_is_held_are_bounded() {
    let mut admission = Admission::new(Limits {
        held_octets: 2_500,
        ..limits(1.0)
    });
    let answers: Vec<Decision> = (0..4).map(|n| admission.ask(at(0.0), &first(n))).collect();
    assert!(matches!(answers[2], Decision::Hold(_)));
    assert!(matches!(answers[3], Decision::TurnAway { .. }));
}

#[test]
fn an_account_over_its_own_limit_hears_of_it() {
    let per_account = Some(AccountLimit {
        orders: 2,
        seconds: 120,
    });
    let mut admission = Admission::new(Limits {
        per_account,
        new_orders_per_second: None,
        ..limits(1.0)
    });
    let answers: Vec<Decision> = (0..3).map(|_| admission.ask(at(0.0), &first(1))).collect();
    let over = Decision::OverLimit {
        retry_after_seconds: 60,
    };
    assert_eq!(answers, [Decision::Forward, Decision::Forward, over]);
    assert_eq!(admission.ask(at(0.0), &first(2)), Decision::Forward);
    let unverified = Request {
        party: Party::Address(1),
        ..first(1)
    };
    assert_eq!(admission.ask(at(0.0), &unverified), Decision::Forward);
}

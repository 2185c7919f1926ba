//! Invariants under arbitrary load.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_comes_each_has_one_answer_in_time_and_no_second_has_too_many(
        rate in 0.7..60.0_f64,
        held in 1_usize..400,
        arrivals in prop::collection::vec(
            (0.0..90.0_f64, 0_u64..40, 0_u8..4, 0_u32..6, 0_i64..60), 1..1_200,
        ),
    ) {
        let mut run = Run::new(Limits { held, ..limits(rate) });
        run.honours = false;
        let count = arrivals.len();
        for (order, (when, party, kind, failures, hold_seconds)) in (0..).zip(arrivals) {
            let (party, renewal) = match kind {
                0 => (Party::Address(party), Renewal::Due),
                1 => (Party::Account(party), Renewal::Due),
                2 => (Party::Account(party), Renewal::Early),
                _ => (Party::Account(party), Renewal::No),
            };
            let request = Request { party, order, renewal, failures, hold_seconds, octets: 1 };
            run.comes(at(when), request);
        }
        let seen = run.until_the_end();
        prop_assert_eq!(seen.forwarded.len() + seen.turned_away.len(), count);
        prop_assert!(seen.most_held <= held);
        prop_assert!(seen.most_in_a_second() <= rate.ceil());
    }

    /// Clients disconnect while they are held: their places are free at once, and no other request
    /// loses one.
    #[test]
    fn whoever_leaves_costs_nobody_anything(
        leaves in prop::collection::vec(any::<bool>(), 1..150),
        rate in 1.0..20.0_f64,
    ) {
        let hold_seconds = 200;
        let mut admission = Admission::new(limits(rate));
        let mut stay = Vec::new();
        prop_assert_eq!(admission.ask(at(0.0), &first(999)), Decision::Forward);
        for (n, leave) in (0..).zip(&leaves) {
            let Decision::Hold(ticket) = admission.ask(at(0.0), &Request { hold_seconds, ..first(n) })
            else {
                panic!("there is room");
            };
            if *leave {
                prop_assert!(admission.leave(at(0.0), ticket));
                prop_assert!(!admission.leave(at(0.0), ticket));
            } else {
                stay.push(ticket);
            }
        }
        let mut served = Vec::new();
        for n in 1..=stay.len() {
            let now = at(real_len(n) * (1.02 / rate));
            while let Some(Event::Forward(ticket)) = admission.next(now) {
                served.push(ticket);
                admission.answered(now, 0, Outcome::Answered);
            }
        }
        prop_assert_eq!(served, stay);
        prop_assert_eq!(admission.wakes_at(at(300.0)), None);
    }
}

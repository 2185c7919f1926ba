//! Small cases in which every possible plan can be tried.

use proptest::prelude::*;

use super::super::outlook::{CHANCE_ABOVE, drift};
use super::*;
use crate::math::number::{length, real};

/// Open slots from number 0 on, all with the same level.
fn outlook_of(loads: &[f64], top: f64) -> Outlook {
    Outlook {
        slot_seconds: 3_600,
        first: 0,
        slots: loads
            .iter()
            .map(|load| SlotOutlook {
                unsteered: 0.0,
                promised: *load,
                top,
                share: 1.0,
            })
            .collect(),
        steered_per_slot: top,
        closed: Vec::new(),
    }
}

fn group(from: i64, range: std::ops::Range<i64>, follows: u8) -> Group {
    Group {
        must_leave: false,
        from,
        first: range.start,
        end: range.end,
        widest_first: range.start,
        latest_end: range.end,
        follows,
    }
}

fn tally(certificates: i64, follows: u8) -> Tally {
    Tally {
        certificates,
        load: real(certificates) * f64::from(follows) / 10.0,
        needed_until: 0,
    }
}

/// The number of windows a plan moves.
fn moves(plan: &Plan, groups: &BTreeMap<Group, Tally>) -> f64 {
    plan.moves
        .iter()
        .map(|(group, moves)| {
            let share = moves.values().sum::<f64>() / groups[group].load;
            share * real(groups[group].certificates)
        })
        .sum()
}

fn after(outlook: &Outlook, plan: &Plan) -> Vec<f64> {
    let mut loads: Vec<f64> = outlook.slots.iter().map(|slot| slot.promised).collect();
    for (group, moves) in &plan.moves {
        for (slot, load) in moves {
            loads[outlook.index(group.from).unwrap()] -= load;
            loads[outlook.index(*slot).unwrap()] += load;
        }
    }
    loads
}

#[test]
fn a_small_drift_moves_nothing() {
    // 4 % above, and 4 σ of 10,000 above: neither exceeds its threshold.
    let outlook = outlook_of(&[10_400.0, 9_000.0, 10_000.0], 10_000.0);
    let groups = BTreeMap::from([(group(0, 0..3, 10), tally(10_400, 10))]);
    assert!(plan(&outlook, &groups).moves.is_empty());
    assert!(drift(&outlook) < 1e-9);
}

#[test]
fn likely_followers_move_first_and_to_the_nearest_room() {
    let outlook = outlook_of(&[5_000.0, 8_000.0, 20_000.0, 8_000.0, 10_000.0], 10_000.0);
    let groups = BTreeMap::from([
        (group(2, 0..5, 3), tally(30_000, 3)),
        (group(2, 0..5, 9), tally(10_000, 9)),
    ]);
    let plan = plan(&outlook, &groups);
    let sure = &plan.moves[&group(2, 0..5, 9)];
    // 2,000 go to each neighbour, and the missing 5,000 to the first slot; 1,000 do not fit.
    assert!((sure.values().sum::<f64>() - 9_000.0).abs() < 1e-6);
    assert!(!plan.moves.contains_key(&group(2, 0..5, 3)));
    assert!((plan.left_over - 1_000.0).abs() < 1e-6);
    let loads = after(&outlook, &plan);
    for (load, want) in loads.iter().zip([10_000.0, 10_000.0, 11_000.0, 10_000.0]) {
        assert!((load - want).abs() < 1e-6, "{loads:?}");
    }
    assert!((drift(&outlook) - 0.96).abs() < 1e-9);
}

#[test]
fn the_band_widens_only_for_what_finds_no_room_in_it() {
    let mut loads = vec![10_000.0; 40];
    loads[39] = 20_000.0;
    loads[38] = 6_000.0;
    loads[25] = 5_000.0;
    loads[5] = 0.0;
    let outlook = outlook_of(&loads, 10_000.0);
    let wide = Group {
        widest_first: 0,
        ..group(39, 36..40, 10)
    };
    let groups = BTreeMap::from([(wide, tally(20_000, 10))]);
    let plan = plan(&outlook, &groups);
    let to: Vec<(i64, f64)> = plan.moves[&wide].iter().map(|(s, l)| (*s, *l)).collect();
    assert_eq!(
        to.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(),
        [5, 25, 38]
    );
    assert!((to[0].1 - 1_000.0).abs() < 1e-6 && (to[2].1 - 4_000.0).abs() < 1e-6);
}

#[test]
fn a_closed_slot_is_left_wholly_and_sooner_where_there_is_room() {
    let mut outlook = outlook_of(&[9_000.0, 9_800.0, 6_000.0, 2_000.0], 10_000.0);
    outlook.slots[2].share = 0.0;
    outlook.slots[2].top = 0.0;
    let closed = Group {
        must_leave: true,
        ..group(2, 0..4, 2)
    };
    let groups = BTreeMap::from([(closed, tally(30_000, 2))]);
    let plan = plan(&outlook, &groups);
    let to = &plan.moves[&closed];
    assert!((to[&0] - 1_000.0).abs() < 1e-6 && (to[&3] - 5_000.0).abs() < 1e-6);
    assert!((to.values().sum::<f64>() - 6_000.0).abs() < 1e-6);
    // Nothing has room: spread over the open slots anyway.
    let full = Outlook {
        slots: outlook
            .slots
            .iter()
            .map(|slot| SlotOutlook {
                promised: 10_000.0,
                ..*slot
            })
            .collect(),
        ..outlook
    };
    let plan = super::plan(&full, &groups);
    assert!((plan.moves[&closed].values().sum::<f64>() - 6_000.0).abs() < 1e-6);
    assert!(!plan.moves[&closed].contains_key(&2));
}

/// The maximum that can leave slots above the level for free slots in reach, by trying every cut: a
/// flow is at most the capacity of any cut (max-flow min-cut theorem, Ford and Fulkerson).
fn most(loads: &[f64], top: f64, groups: &BTreeMap<Group, Tally>) -> f64 {
    let count = loads.len();
    let chance = top.sqrt();
    let surplus = |slot: usize| {
        let over = loads[slot] - top;
        let there: f64 = groups
            .iter()
            .filter(|(group, _)| group.from == i64::try_from(slot).unwrap())
            .map(|(_, tally)| tally.load)
            .sum();
        if over - CHANCE_ABOVE * chance > ABOVE * top {
            over.min(there)
        } else {
            0.0
        }
    };
    let room = |slot: usize| {
        let room = top - loads[slot];
        if room > CHANCE_BELOW * chance {
            room
        } else {
            0.0
        }
    };
    let mut least = f64::INFINITY;
    for full in 0..1_u32 << count {
        // Targets in `full` are cut behind the target. Each source slot is then cut in front, or at
        // its groups that reach an uncut target.
        let targets: f64 = (0..count).filter(|s| full >> s & 1 == 1).map(room).sum();
        let sources: f64 = (0..count)
            .map(|slot| {
                let at_groups: f64 = groups
                    .iter()
                    .filter(|(group, _)| group.from == i64::try_from(slot).unwrap())
                    .filter(|(group, _)| {
                        (group.first..group.end).any(|to| to != group.from && full >> to & 1 == 0)
                    })
                    .map(|(_, tally)| tally.load)
                    .sum();
                surplus(slot).min(at_groups)
            })
            .sum();
        least = least.min(targets + sources);
    }
    least
}

proptest! {
    #[test]
    fn what_moves_is_what_can_and_no_more(
        parts in prop::collection::vec((0..7_i64, 0..4_i64, 1..4_i64, 1_000..9_000_i64), 1..14),
    ) {
        moves_what_can_and_no_more(parts)?;
    }
}

/// A regression found by the test above.
#[test]
fn many_groups_of_one_slot_move_what_can_and_no_more() {
    let of_six = [3_289, 1_507, 6_105].map(|certificates| (6, 0, 1, certificates));
    let of_others = [
        (0, 0, 1, 1_000),
        (0, 0, 1, 1_000),
        (0, 0, 1, 1_000),
        (6, 1, 1, 1_000),
    ];
    let parts = of_six.into_iter().chain(of_others).collect();
    moves_what_can_and_no_more(parts).unwrap();
}

/// Each part: its slot, the slots before it that it may move to, the number of slots, and
/// certificates.
fn moves_what_can_and_no_more(parts: Vec<(i64, i64, i64, i64)>) -> Result<(), TestCaseError> {
    let top = 10_000.0;
    let mut groups: BTreeMap<Group, Tally> = BTreeMap::new();
    let mut loads = vec![0.0; 7];
    for (from, before, long, certificates) in parts {
        let first = (from - before).max(0);
        let key = group(from, first..(from + long).min(7), 10);
        let added = groups.entry(key).or_default();
        added.certificates += certificates;
        added.load += real(certificates);
        loads[length(from)] += real(certificates);
    }
    let outlook = outlook_of(&loads, top);
    let plan = plan(&outlook, &groups);
    // Every moved window removes one certificate of surplus, so fewer would not do.
    let want = most(&loads, top, &groups);
    let got = moves(&plan, &groups);
    prop_assert!((got - want).abs() < 1e-3, "{got} moved, {want} had to");
    for (at, load) in after(&outlook, &plan).iter().enumerate() {
        if loads[at] > top {
            prop_assert!(*load >= top - 1e-3 && *load <= loads[at] + 1e-3);
        } else {
            prop_assert!(*load >= loads[at] - 1e-3 && *load <= top + 1e-3);
        }
    }
    for (key, moves) in &plan.moves {
        prop_assert!(moves.keys().all(|slot| (key.first..key.end).contains(slot)));
        prop_assert!(moves.values().sum::<f64>() <= groups[key].load + 1e-3);
    }
    // Planned again with those that stayed, nothing is left to move.
    let mut stayed = groups;
    for (key, moves) in &plan.moves {
        stayed.get_mut(key).unwrap().load -= moves.values().sum::<f64>();
    }
    let again = super::plan(&outlook_of(&after(&outlook, &plan), top), &stayed);
    let left = again.moves.values().flat_map(BTreeMap::values).sum::<f64>();
    prop_assert!(left < 1.0, "{left} moved again");
    Ok(())
}

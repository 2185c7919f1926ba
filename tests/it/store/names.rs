//! Certificates by the names that they were issued for.

use offpeak::domain::certificate::certid::Serial;
use offpeak::store::{MOST_NAMESAKES, Named};

use super::*;

on_all_stores!(those_of_the_same_names_are_found_within_a_bound);

async fn those_of_the_same_names_are_found_within_a_bound(url: &str) {
    let store = open(url).await;
    let start = Timestamp::from_unix(START);
    let named = |n: u64, names: u128, days: i64| Named {
        id: CertId {
            serial: Serial::new(&[&[0x40], n.to_be_bytes().as_slice()].concat()).unwrap(),
            key_identifier: "aYhba4dGQEHhs3uEe6CuLN4ByNQ".parse().unwrap(),
        },
        names,
        not_after: start + days * DAY,
    };
    let first = [named(1, 7, 10), named(2, 7, 20), named(3, u128::MAX, 10)];
    store.note_names(&first, start).await.unwrap();
    // The same again, and another of each set.
    let next = [first[0].clone(), named(4, 7, 30), named(5, u128::MAX, 30)];
    store.note_names(&next, start).await.unwrap();
    let find = async |names, now| {
        // Whoever asks; what is given with the question may be among the answers.
        let asked = named(0, names, 1);
        let mut found = store
            .note_names(std::slice::from_ref(&asked), now)
            .await
            .unwrap();
        found.retain(|one| *one != asked);
        found.sort_by_key(|one| one.not_after);
        found
    };
    let all = [first[0].clone(), first[1].clone(), next[1].clone()];
    assert_eq!(find(7, start).await, all);
    assert_eq!(find(7, start + 10 * DAY).await, all[1..]);
    assert_eq!(
        find(u128::MAX, start).await,
        [first[2].clone(), next[2].clone()]
    );
    assert_eq!(find(8, start).await, []);
    // Of very many, those that live longest.
    let many: Vec<Named> = (100..400).map(|n| named(n, 9, 40)).collect();
    store.note_names(&many, start).await.unwrap();
    store.note_names(&[named(6, 9, 50)], start).await.unwrap();
    let found = find(9, start).await;
    assert_eq!(found.len(), usize::try_from(MOST_NAMESAKES).unwrap());
    assert_eq!(found.last(), Some(&named(6, 9, 50)));
    store.sweep_names(start + 45 * DAY).await.unwrap();
    assert_eq!(find(7, start).await, []);
    assert_eq!(find(9, start).await, [named(6, 9, 50)]);
}

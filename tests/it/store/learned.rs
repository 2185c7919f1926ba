use super::*;

use offpeak::store::Learned;

on_all_stores!(lessons_are_kept_until_a_newer_one_comes);

async fn lessons_are_kept_until_a_newer_one_comes(url: &str) {
    let now = Timestamp::from_unix(START);
    let lesson = |ca: &str, name: &str, body: &str| Learned {
        ca: ca.parse().unwrap(),
        name: name.to_owned(),
        body: body.to_owned(),
    };
    let store = open(url).await;
    assert_eq!(store.learned().await.unwrap(), []);
    let first = lesson("b", "returns", "{}");
    let second = lesson("a", "returns", "{\"ü\":1}");
    let third = lesson("a", "polls", "");
    for lesson in [&first, &second, &third] {
        store.set_learned(lesson, now).await.unwrap();
    }
    let newer = lesson("b", "returns", "[2]");
    store.set_learned(&newer, now + 1).await.unwrap();
    store.set_learned(&newer, now + 1).await.unwrap();
    let other = open(url).await;
    assert_eq!(other.learned().await.unwrap(), [third, second, newer]);
}

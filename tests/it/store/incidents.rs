use super::*;

on_all_stores!(
    an_incident_changes_for_one_of_two_who_saw_it,
    every_field_of_an_incident_comes_back,
    members_are_counted_once,
    members_come_in_pages_in_order,
    members_of_several_who_add_them_are_counted_once,
    no_change_is_lost_among_many,
);

async fn every_field_of_an_incident_comes_back(url: &str) {
    let (store, other) = (open(url).await, open(url).await);
    let mut reader = Reader::load(&*other).await;
    let at = |second| Some(Timestamp::from_unix(START + second));
    let full = Incident {
        kind: About::Revocation,
        from: Some(Timestamp::MIN),
        to: Some(Timestamp::MAX),
        cron: Some("30 2 * * SUN".to_owned()),
        time_zone: Some("Europe/Zürich".to_owned()),
        renew_by: at(1),
        explanation_url: Some("https://ca.example/why?a=\"b\"".to_owned()),
        urgent: true,
        budget_per_hour: Some(166_666.625),
        over_budget: true,
        state: State::Partial,
        note: Some("first line\nsecond line".to_owned()),
        estimated_end: at(2),
        created_at: Timestamp::from_unix(START + 3),
        opened_at: at(4),
        closed_at: at(5),
        updated_at: Timestamp::from_unix(START + 6),
        affected: u64::MAX,
        moved: 7,
        steps: vec![
            Step {
                at: Timestamp::from_unix(START + 3),
                what: "drafted".to_owned(),
            },
            Step {
                at: Timestamp::from_unix(START + 4),
                what: "opened".to_owned(),
            },
        ],
        ..incident("every field")
    };
    let mut want = Vec::new();
    for kind in [About::Drill, About::Maintenance, About::Outage] {
        for state in [State::Draft, State::Open, State::Closed] {
            want.push(Incident {
                kind,
                state,
                ..incident("few fields")
            });
        }
    }
    want.push(full);
    for incident in &mut want {
        incident.id = store.create_incident(incident).await.unwrap();
    }
    assert_eq!(want[0].id, 1);
    want.reverse();
    assert_eq!(other.incidents().await.unwrap(), want);
    let told: BTreeMap<i64, Incident> = want.into_iter().map(|one| (one.id, one)).collect();
    reader.follow(&*other).await;
    assert_eq!(reader.incidents, told);
    assert_eq!(Reader::load(&*other).await.incidents, told);
}

async fn an_incident_changes_for_one_of_two_who_saw_it(url: &str) {
    let (store, other) = (open(url).await, open(url).await);
    let drafted = incident("seen by two");
    let bystander = store.create_incident(&drafted).await.unwrap();
    let number = store.create_incident(&drafted).await.unwrap();
    let mut reader = Reader::load(&*other).await;
    // Both at the very second of the draft: a second in between them tells them apart.
    let mut first = other.incidents().await.unwrap().remove(0);
    let mut second = first.clone();
    assert_eq!(first.id, number);
    first.note = Some("the first".to_owned());
    second.note = Some("the second".to_owned());
    let seen = first.touch(drafted.updated_at);
    assert!(store.update_incident(&first, seen).await.unwrap());
    let seen = second.touch(drafted.updated_at);
    assert!(!other.update_incident(&second, seen).await.unwrap());
    // Who changes it without saying when has not seen it either.
    let unmarked = first.updated_at;
    assert!(!store.update_incident(&first, unmarked).await.unwrap());
    // Nor is there anything to change of one that is not there.
    let mut unknown = first.clone();
    unknown.id = number + 1;
    let seen = unknown.touch(first.updated_at);
    assert!(!store.update_incident(&unknown, seen).await.unwrap());
    reader.follow(&*other).await;
    assert_eq!(reader.incidents[&number], first);
    assert_eq!(reader.incidents[&bystander].note, None);
    // The one who looks again may.
    let seen = first.touch(drafted.updated_at + 60);
    assert_eq!(first.updated_at, drafted.updated_at + 60);
    first.state = State::Closed;
    assert!(other.update_incident(&first, seen).await.unwrap());
    reader.follow(&*store).await;
    assert_eq!(reader.incidents[&number], first);
    assert_eq!(store.incidents().await.unwrap().remove(0), first);
}

async fn no_change_is_lost_among_many(url: &str) {
    const WRITERS: usize = 4;
    const STEPS: usize = 10;
    let store = open(url).await;
    let drafted = incident("edited by many");
    let now = drafted.updated_at;
    store.create_incident(&drafted).await.unwrap();
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            for step in 0..STEPS {
                loop {
                    let mut incident = store.incidents().await.unwrap().remove(0);
                    let seen = incident.touch(now);
                    let what = format!("{writer}.{step}");
                    incident.steps.push(Step { at: now, what });
                    if patiently(|| store.update_incident(&incident, seen)).await {
                        break;
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let edited = store.incidents().await.unwrap().remove(0);
    let steps: BTreeSet<String> = edited.steps.into_iter().map(|step| step.what).collect();
    assert_eq!(steps.len(), WRITERS * STEPS);
    assert_eq!(edited.updated_at, now + 40);
}

async fn add(store: &dyn Store, incident: i64, ids: &[CertId]) -> u64 {
    patiently(|| store.add_incident_certificates(incident, ids)).await
}

fn ids(serials: std::ops::Range<u32>) -> Vec<CertId> {
    serials.map(id).collect()
}

async fn members_are_counted_once(url: &str) {
    let store = open(url).await;
    assert_eq!(add(&*store, 1, &[]).await, 0);
    assert_eq!(add(&*store, 1, &[id(3), id(1), id(3)]).await, 2);
    assert_eq!(add(&*store, 1, &[id(1), id(2), id(3)]).await, 1);
    // Another incident's are others, though the certificates are the same.
    assert_eq!(add(&*store, 2, &[id(1)]).await, 1);
    // More than one statement's worth, some of them there, some given twice.
    let mut many = ids(0..10_500);
    many.reverse();
    many.extend(ids(0..500));
    assert_eq!(add(&*store, 1, &many).await, 10_500 - 3);
    assert_eq!(add(&*store, 1, &many).await, 0);
}

async fn members_come_in_pages_in_order(url: &str) {
    let store = open(url).await;
    register(&*store, &certificates(0..40)).await;
    add(&*store, 1, &ids(10..50)).await;
    add(&*store, 2, &ids(0..5)).await;
    // One is registered after it was named, one removed: what counts is what is there.
    register(&*store, &certificates(45..46)).await;
    store.remove(&[id(20)]).await.unwrap();
    let mut want: Vec<CertId> = (10..40).chain(45..46).map(id).collect();
    want.retain(|one| *one != id(20));
    want.sort();
    let mut pages = Vec::new();
    let mut read = Vec::new();
    let mut after: Option<CertId> = None;
    loop {
        let page = store
            .incident_certificates_in(1, &IdRange::after(after), 12)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        pages.push(page.len());
        read.extend(page);
    }
    assert_eq!(pages, [12, 12, 6]);
    let stored = Reader::load(&*store).await.certificates;
    let want: Vec<Certificate> = want.iter().map(|id| stored[id].clone()).collect();
    assert_eq!(read, want);
    for (incident, limit, want) in [(1, 0, 0), (2, 12, 5), (3, 12, 0)] {
        let page = store
            .incident_certificates_in(incident, &IdRange::ALL, limit)
            .await
            .unwrap();
        assert_eq!(page.len(), want, "incident {incident}");
    }
}

/// The same certificates in different orders, at once.
async fn members_of_several_who_add_them_are_counted_once(url: &str) {
    const PROCESSES: usize = 4;
    let mut tasks = Vec::new();
    for process in 0..PROCESSES {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            let mut given = ids(0..3_000);
            let turn = given.len() / PROCESSES * process;
            given.rotate_left(turn);
            if process % 2 == 1 {
                given.reverse();
            }
            add(&*store, 1, &given).await
        }));
    }
    let mut added = 0;
    for task in tasks {
        added += task.await.unwrap();
    }
    assert_eq!(added, 3_000);
}

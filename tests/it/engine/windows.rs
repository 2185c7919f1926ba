//! Windows given, kept and explained.

use super::*;

#[tokio::test]
async fn a_registered_certificate_is_answered_at_once_and_always_the_same() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let submissions: Vec<Submission> = (0..500).map(ninety_days).collect();
        let verdicts = service.engine.register(&submissions, None).await.unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
        let mut before = Vec::new();
        for n in 0..500 {
            let window = window(&service.engine, n).await;
            assert!(window.from > NOW && window.to < NOW + 60 * DAY);
            before.push(window);
        }
        let again = service.engine.register(&submissions, None).await.unwrap();
        assert!(again.iter().all(|verdict| *verdict == Verdict::Unchanged));
        drop(service);
        let restarted = replica(&database, Config::default()).await;
        for (n, window_before) in (0..500).zip(&before) {
            assert_eq!(window(&restarted.engine, n).await, *window_before);
        }
    }
}

#[tokio::test]
async fn the_dropped_sign_octet_is_honoured_and_no_other_spelling() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let real: CertId = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".parse().unwrap();
        let submission = Submission {
            id: real.clone(),
            ..ninety_days(0)
        };
        service.engine.register(&[submission], None).await.unwrap();
        let given = service.engine.renewal_info(&real).await.unwrap().window;
        let with_serial = |octets: &[u8]| CertId {
            serial: Serial::new(octets).unwrap(),
            ..real.clone()
        };
        let dropped = with_serial(&[0x87, 0x65, 0x43, 0x21]);
        assert_eq!(
            service.engine.renewal_info(&dropped).await.unwrap().window,
            given
        );
        assert!(service.engine.explain(&dropped).await.unwrap().is_some());
        let doubled = with_serial(&[0, 0, 0x87, 0x65, 0x43, 0x21]);
        assert!(service.engine.renewal_info(&doubled).await.is_err());
    }
}

#[tokio::test]
async fn an_explanation_derives_the_window_again() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let mut submissions: Vec<Submission> = (0..200).map(ninety_days).collect();
        // Short lives, late ones, ones whose band is over, ones about to end.
        submissions.extend((200..220).map(|n| issued(n, NOW, 6 * HOUR)));
        submissions.extend((220..240).map(|n| issued(n, NOW - 30 * DAY, 90 * DAY)));
        submissions.extend((240..260).map(|n| issued(n, NOW - 70 * DAY, 90 * DAY)));
        submissions.extend((260..280).map(|n| issued(n, NOW - 90 * DAY + HOUR, 90 * DAY)));
        submissions.extend((280..300).map(|n| issued(n, NOW, 6 * DAY)));
        service.engine.register(&submissions, None).await.unwrap();
        // Another process, which drew none of them.
        let other = replica(&database, Config::default()).await;
        for n in 0..300 {
            let explained = other.engine.explain(&certid(n)).await.unwrap().unwrap();
            assert_eq!(explained["derivationMatches"], true, "{explained:#}");
            assert_eq!(explained["derivedWindow"], explained["suggestedWindow"]);
            let start = explained["suggestedWindow"]["start"].as_str().unwrap();
            assert_eq!(start, window(&service.engine, n).await.from.to_string());
        }
        assert_eq!(other.engine.explain(&certid(999)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_window_drawn_by_another_algorithm_is_served_as_it_is() {
    for database in databases().await {
        let old = replica(&database, Config::default()).await;
        // What a newer version would store: another algorithm's table, and a window of its own.
        let table = serde_json::json!({ "algorithm": 2, "modelVersion": "2.x", "anything": [1] });
        let bytes: Arc<[u8]> = serde_json::to_vec(&table).unwrap().into();
        let number = Table::number(&bytes);
        old.engine.register(&[ninety_days(1)], None).await.unwrap();
        let mut newer = old.engine.certificate(&certid(1)).await.unwrap().unwrap();
        newer.id = certid(2);
        newer.basis = Basis::Table(number);
        newer.window = Span {
            from: NOW + 40 * DAY,
            to: NOW + 40 * DAY + 15 * MINUTE,
        };
        let store = connect(&database.url(), Migrations::Apply).await.unwrap();
        store
            .register(Registration {
                tables: &[StoredTable {
                    number,
                    bytes,
                    needed_until: NOW + 100 * DAY,
                }],
                certificates: &[newer.clone()],
                ..Registration::default()
            })
            .await
            .unwrap();
        old.engine.catch_up().await.unwrap();
        // Registering it again through the old version changes nothing.
        let verdicts = old.engine.register(&[ninety_days(2)], None).await.unwrap();
        assert_eq!(verdicts, [Verdict::Unchanged]);
        let restarted = replica(&database, Config::default()).await;
        for service in [&old, &restarted] {
            assert_eq!(window(&service.engine, 2).await, newer.window);
            let explained = service.engine.explain(&certid(2)).await.unwrap().unwrap();
            assert_eq!(explained["drawnFrom"]["table"]["algorithm"], 2);
            assert_eq!(explained["derivedWindow"], serde_json::Value::Null);
            let first = service.engine.explain(&certid(1)).await.unwrap().unwrap();
            assert_eq!(first["drawnFrom"]["table"]["algorithm"], 1);
        }
    }
}

#[tokio::test]
async fn no_two_certificates_are_sent_to_the_same_second_beyond_chance() {
    let database = Database::Sqlite(fresh_sqlite());
    let service = replica(&database, Config::default()).await;
    let submissions: Vec<Submission> = (0..5_000).map(ninety_days).collect();
    service.engine.register(&submissions, None).await.unwrap();
    let mut starts = std::collections::HashMap::<i64, u32>::new();
    for n in 0..5_000 {
        *starts
            .entry(window(&service.engine, n).await.from.unix())
            .or_default() += 1;
    }
    // 5,000 over 86,400 seconds and more: 0.058 a second; six in one has a chance of 10^-6.
    assert!(starts.values().all(|count| *count < 6));
    assert!(starts.len() > 4_700);
}

#[tokio::test]
async fn windows_follow_dates_and_verdicts_name_the_field() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        let other_dates = issued(1, NOW, 45 * DAY);
        let reversed = Submission {
            validity: Validity {
                not_before: NOW,
                not_after: NOW - 1,
            },
            ..ninety_days(2)
        };
        let ahead = Submission {
            issued_at: Some(NOW + 2 * DAY),
            ..ninety_days(3)
        };
        let expired = issued(4, NOW - 100 * DAY, 90 * DAY);
        let brief = issued(5, NOW, 599);
        let verdicts = engine
            .register(
                &[ninety_days(1), other_dates, reversed, ahead, expired, brief],
                None,
            )
            .await
            .unwrap();
        let field = |verdict: &Verdict| match verdict {
            Verdict::Rejected(rejection) => rejection.field.clone(),
            Verdict::Accepted => "accepted".to_owned(),
            Verdict::Unchanged => "unchanged".to_owned(),
        };
        let fields: Vec<String> = verdicts.iter().map(field).collect();
        assert_eq!(
            fields,
            [
                "accepted", "certId", "notAfter", "issuedAt", "accepted", "notAfter"
            ]
        );
        // The expired one taught the model and is not stored.
        assert_eq!(engine.certificate(&certid(4)).await.unwrap(), None);
        assert_eq!(engine.certificates_indexed(), 1);
        // A source whose clock is ahead by less than a day is taken, and counts now.
        let early = Submission {
            issued_at: Some(NOW + HOUR),
            ..ninety_days(6)
        };
        engine.register(&[early], None).await.unwrap();
        let stored = engine.certificate(&certid(6)).await.unwrap().unwrap();
        assert_eq!(stored.issued_at, NOW);
    }
}

//! Certificates that are replaced, expire and are purged.

use super::*;

#[tokio::test]
async fn replaced_certificates_leave_the_forecast_and_are_still_answered() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        engine
            .register(&[ninety_days(1), ninety_days(2)], None)
            .await
            .unwrap();
        let all = Span {
            from: NOW,
            to: NOW + 90 * DAY,
        };
        let by = Successor::Order("https://ca.example/order/1".to_owned());
        assert_eq!(
            engine.succeed(&certid(1), &by).await.unwrap(),
            Succession::Set
        );
        assert_eq!(
            engine.succeed(&certid(1), &by).await.unwrap(),
            Succession::Same
        );
        let other = Successor::By(certid(3));
        assert_eq!(
            engine.succeed(&certid(1), &other).await.unwrap(),
            Succession::Other(by)
        );
        assert_eq!(
            engine.succeed(&certid(9), &other).await.unwrap(),
            Succession::Unknown
        );
        assert!((engine.windows_promised(all) - 1.0).abs() < 1e-9);
        assert!(engine.renewal_info(&certid(1)).await.is_ok());
        assert_eq!(engine.unsucceed(&certid(1)).await.unwrap(), Some(true));
        assert_eq!(engine.unsucceed(&certid(1)).await.unwrap(), Some(false));
        assert!((engine.windows_promised(all) - 2.0).abs() < 1e-9);
        // A replacement names what it replaces at its own registration.
        let replacement = Submission {
            replaces: Some(certid(2)),
            ..ninety_days(4)
        };
        engine.register(&[replacement], None).await.unwrap();
        engine.catch_up().await.unwrap();
        let old = engine.certificate(&certid(2)).await.unwrap().unwrap();
        assert_eq!(old.successor, Some(Successor::By(certid(4))));
        assert!((engine.windows_promised(all) - 2.0).abs() < 1e-9);
        // A restart sums the same.
        let restarted = replica(&database, Config::default()).await;
        assert!((restarted.engine.windows_promised(all) - 2.0).abs() < 1e-9);
    }
}

#[tokio::test]
async fn expired_certificates_are_answered_for_a_day_and_then_purged() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        let brief: Vec<Submission> = (0..50).map(|n| issued(n, NOW, 6 * HOUR)).collect();
        engine.register(&brief, None).await.unwrap();
        service.clock.set(NOW + 7 * HOUR);
        let window = window(engine, 1).await;
        assert!(window.to < NOW + 6 * HOUR);
        service.clock.set(NOW + 31 * HOUR);
        engine.purge().await.unwrap();
        engine.sweep();
        assert_eq!(engine.certificates_indexed(), 0);
        assert_eq!(engine.certificate(&certid(1)).await.unwrap(), None);
        engine.catch_up().await.unwrap();
    }
}

#[tokio::test]
async fn issuance_past_the_retention_teaches_nothing() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        let recent = issued(1, NOW - DAY, 6 * HOUR);
        let long_over = issued(2, Timestamp::MIN, DAY);
        let without_end = issued(3, NOW - 3_000 * DAY, 9_000 * DAY);
        let submissions = [recent, long_over, without_end];
        let verdicts = engine.register(&submissions, None).await.unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
        engine.catch_up().await.unwrap();
        let restarted = replica(&database, Config::default()).await;
        for engine in [engine, &restarted.engine] {
            engine.learn();
            let profile = engine.profile(&CaName::default()).unwrap();
            assert_eq!(profile.data.unwrap().from, NOW - DAY);
        }
    }
}

#[tokio::test]
async fn the_issuance_of_purged_certificates_is_kept_once() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        // Eight days of six-hour certificates, purged as they expire.
        for hour in 0..8 * 24 {
            let now = NOW + hour * HOUR;
            service.clock.set(now);
            let n = u64::try_from(hour).unwrap() * 10;
            let batch: Vec<Submission> = (n..n + 2 + n % 7)
                .map(|n| issued(n, now, 6 * HOUR))
                .collect();
            engine.register(&batch, None).await.unwrap();
            if hour % 12 == 0 {
                engine.purge().await.unwrap();
                engine.sweep();
                engine.catch_up().await.unwrap();
            }
        }
        assert!(engine.certificates_indexed() < 300, "most are purged");
        let restarted = replica(&database, Config::default()).await;
        restarted.clock.set(engine.now());
        let learned = |engine: &Engine| {
            engine.learn();
            engine.profile(&CaName::default()).unwrap()
        };
        let before = learned(engine);
        let per_hour = before.mean_per_hour();
        assert!(
            (4.0..6.0).contains(&per_hour),
            "{per_hour} an hour, 5 were made"
        );
        assert_eq!(before.version, learned(&restarted.engine).version);
    }
}

#[tokio::test]
async fn an_expired_certificate_that_was_dropped_is_not_taken_in_again() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        engine
            .register(&[issued(1, NOW, 6 * HOUR)], None)
            .await
            .unwrap();
        // Dropped from memory, and not yet from the store.
        service.clock.set(NOW + 31 * HOUR);
        engine.sweep();
        assert_eq!(engine.certificates_indexed(), 0);
        let miss = engine.renewal_info(&certid(1)).await.unwrap_err();
        assert_eq!(miss, Miss::UnknownSerial);
        let by = Successor::Order("https://ca.example/order/1".to_owned());
        let _ = engine.succeed(&certid(1), &by).await.unwrap();
        engine.catch_up().await.unwrap();
        assert_eq!(engine.certificates_indexed(), 0);
    }
}

#[tokio::test]
async fn a_predecessor_is_known_without_its_sign_octet_and_nobody_replaces_himself() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        let with_serial = |octets: &[u8]| CertId {
            serial: Serial::new(octets).unwrap(),
            ..certid(1)
        };
        let old = Submission {
            id: with_serial(&[0, 0x87, 0x65]),
            ..ninety_days(1)
        };
        engine
            .register(std::slice::from_ref(&old), None)
            .await
            .unwrap();
        let new = Submission {
            replaces: Some(with_serial(&[0x87, 0x65])),
            ..ninety_days(2)
        };
        engine.register(&[new], None).await.unwrap();
        let stored = engine.certificate(&old.id).await.unwrap().unwrap();
        assert_eq!(stored.successor, Some(Successor::By(certid(2))));
        let itself = Submission {
            replaces: Some(certid(3)),
            ..ninety_days(3)
        };
        let verdicts = engine.register(&[itself], None).await.unwrap();
        assert!(matches!(&verdicts[0], Verdict::Rejected(r) if r.field == "replaces"));
    }
}

#[tokio::test]
async fn nobody_is_told_to_ask_again_while_the_ca_is_closed() {
    let closed = Span {
        from: NOW + 5 * HOUR + 40 * MINUTE,
        to: NOW + 6 * HOUR + 20 * MINUTE,
    };
    let mut config = Config::default();
    config.cas[0].capacity.push(CapacityRule {
        when: When::Once(closed),
        share: 0.0,
        ceiling_per_hour: None,
        name: None,
    });
    for database in databases().await {
        let service = replica(&database, config.clone()).await;
        let batch: Vec<Submission> = (0..300).map(ninety_days).collect();
        service.engine.register(&batch, None).await.unwrap();
        for n in 0..300 {
            let info = service.engine.renewal_info(&certid(n)).await.unwrap();
            assert!(!closed.contains(NOW + info.retry_after_seconds));
        }
    }
}

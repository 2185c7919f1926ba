//! Several processes, several issuers, one store.

use super::*;

#[tokio::test]
async fn an_indexed_certificate_costs_no_query() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        service
            .engine
            .register(&[ninety_days(1)], None)
            .await
            .unwrap();
        let before = service.engine.store().queries_run();
        for _ in 0..100 {
            service.engine.renewal_info(&certid(1)).await.unwrap();
        }
        assert_eq!(service.engine.store().queries_run(), before);
        let _ = service.engine.certificate(&certid(1)).await.unwrap();
        assert!(
            service.engine.store().queries_run() > before,
            "the counter counts"
        );
    }
}

#[tokio::test]
async fn replicas_share_windows_and_book_each_certificate_once() {
    let Some(database) = databases().await.into_iter().find(Database::is_postgres) else {
        return;
    };
    let replicas = [
        replica(&database, Config::default()).await,
        replica(&database, Config::default()).await,
        replica(&database, Config::default()).await,
    ];
    // Each registers its own; every other answers at once.
    for (n, service) in (0..).zip(&replicas) {
        service
            .engine
            .register(&[ninety_days(n)], None)
            .await
            .unwrap();
        let given = window(&service.engine, n).await;
        for other in &replicas {
            assert_eq!(window(&other.engine, n).await, given, "read your write");
        }
    }
    // All register the same at the same moment.
    let same: Vec<Submission> = (100..300).map(ninety_days).collect();
    let (a, b, c) = tokio::join!(
        replicas[0].engine.register(&same, None),
        replicas[1].engine.register(&same, None),
        replicas[2].engine.register(&same, None),
    );
    let verdicts = [a.unwrap(), b.unwrap(), c.unwrap()];
    for n in 0..same.len() {
        let accepted = verdicts
            .iter()
            .filter(|verdicts| verdicts[n] == Verdict::Accepted)
            .count();
        assert_eq!(accepted, 1, "certificate {n}");
    }
    for service in &replicas {
        service.engine.catch_up().await.unwrap();
    }
    for n in 100..300 {
        let given = window(&replicas[0].engine, n).await;
        assert_eq!(window(&replicas[1].engine, n).await, given);
        assert_eq!(window(&replicas[2].engine, n).await, given);
    }
    for service in &replicas {
        let booked = service.engine.windows_promised(Span {
            from: NOW,
            to: NOW + 90 * DAY,
        });
        assert!(
            (booked - 203.0).abs() < 1e-6,
            "{booked} windows booked, 203 given"
        );
        assert_eq!(service.engine.certificates_indexed(), 203);
    }
}

#[tokio::test]
async fn another_process_is_noticed_through_the_feed() {
    for database in databases().await {
        let serving = replica(&database, Config::default()).await;
        let importing = replica(&database, Config::default()).await;
        importing
            .engine
            .register(&[ninety_days(1)], None)
            .await
            .unwrap();
        serving.engine.catch_up().await.unwrap();
        assert_eq!(
            window(&serving.engine, 1).await,
            window(&importing.engine, 1).await
        );
        importing.engine.remove(&[certid(1)]).await.unwrap();
        serving.engine.catch_up().await.unwrap();
        assert_eq!(serving.engine.certificates_indexed(), 0);
        let booked = serving.engine.windows_promised(Span {
            from: NOW,
            to: NOW + 90 * DAY,
        });
        assert!(booked.abs() < 1e-9);
    }
}

#[tokio::test]
async fn misses_distinguish_unknown_issuers_from_unknown_serials() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let miss = service.engine.renewal_info(&certid(1)).await.unwrap_err();
        assert_eq!(miss, Miss::UnknownIssuer);
        service
            .engine
            .register(&[ninety_days(1)], None)
            .await
            .unwrap();
        let miss = service.engine.renewal_info(&certid(2)).await.unwrap_err();
        assert_eq!(miss, Miss::UnknownSerial);
    }
}

#[tokio::test]
async fn strict_issuers_refuse_what_no_ca_claims() {
    for database in databases().await {
        let ca = CaPolicy {
            issuers: vec![KeyIdentifier::new(&[1; 20]).unwrap()],
            ..CaPolicy::named("one".parse().unwrap())
        };
        let config = Config {
            strict_issuers: true,
            cas: vec![ca],
            ..Config::default()
        };
        let service = replica(&database, config).await;
        let verdicts = service
            .engine
            .register(&[ninety_days(1)], None)
            .await
            .unwrap();
        assert!(matches!(&verdicts[0], Verdict::Rejected(r) if r.field == "certId"));
        let miss = service.engine.renewal_info(&certid(1)).await.unwrap_err();
        assert_eq!(miss, Miss::UnknownIssuer);
    }
}

#[tokio::test]
async fn issuers_that_change_hands_are_summed_anew() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        engine.register(&[ninety_days(1)], None).await.unwrap();
        let given = window(engine, 1).await;
        let before = engine.version();
        let ca = CaPolicy {
            issuers: vec![certid(1).key_identifier],
            ..CaPolicy::named("mine".parse().unwrap())
        };
        let mut cas = engine.config().cas.clone();
        cas.insert(0, ca);
        let config = Config {
            cas,
            ..Config::default()
        };
        engine.reconfigure(config).await.unwrap();
        assert_eq!(window(engine, 1).await, given, "a window once given stays");
        let explained = engine.explain(&certid(1)).await.unwrap().unwrap();
        assert_eq!(explained["ca"], "mine");
        assert_ne!(
            engine.version(),
            before,
            "a changed policy shows in the version"
        );
    }
}

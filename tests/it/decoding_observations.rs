//! Observations in both formats, and every way to be wrong.

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::ingest::{Item, ObservationFormat};

use crate::decoding::{observations, outline};

#[test]
fn the_same_observations_are_read_from_ndjson_and_csv() {
    let ndjson = r#"{"at":"2026-11-20T01:00:00Z","kind":"failed","count":7,"ca":"example","seconds":300,"source":"observer","endpoint":"new-order","errorType":"urn:ietf:params:acme:error:dns","vantage":"frankfurt","latencyMs":12.5,"latencyP95Ms":90,"dimension":"secondary"}
{"at":1795136400,"kind":"attempt","count":0}
"#;
    let csv = "dimension,latency_p95_ms,latency_ms,vantage,error_type,endpoint,source,seconds,ca,count,kind,at\n\
               secondary,90,12.5,frankfurt,urn:ietf:params:acme:error:dns,new-order,observer,300,example,7,failed,2026-11-20T01:00:00Z\n\
               ,,,,,,,,,0,attempt,1795136400\n";
    let records = |items: Vec<Item<Observation>>| -> Vec<Observation> {
        items.into_iter().map(|item| item.record.unwrap()).collect()
    };
    let read = records(observations(ObservationFormat::Ndjson, ndjson));
    assert_eq!(read, records(observations(ObservationFormat::Csv, csv)));
    assert_eq!(
        (read[0].kind, read[0].count, read[0].seconds),
        (Kind::Failed, 7, 300)
    );
    assert_eq!(read[0].source, Source::Observer);
    assert_eq!(read[0].dimension.as_deref(), Some("secondary"));
    let plain = &read[1];
    assert_eq!(
        (plain.seconds, plain.ca.as_str(), plain.source),
        (60, "default", Source::Ca)
    );
    assert_eq!((plain.latency_ms, plain.endpoint.as_deref()), (None, None));
}

#[test]
fn observations_out_of_bounds_are_rejected_by_field() {
    let line = |field: &str, value: &str| {
        let mut object: serde_json::Value =
            serde_json::from_str(r#"{"at":0,"kind":"issued","count":1}"#).unwrap();
        object[field] = serde_json::from_str(value).unwrap();
        format!("{object}\n")
    };
    for (field, value) in [
        ("count", "-1"),
        ("count", "1.5"),
        ("count", "1000000000001"),
        ("count", "\"7\""),
        ("seconds", "0"),
        ("seconds", "31622401"),
        ("seconds", "4294967356"),
        ("latencyMs", "-0.5"),
        ("latencyP95Ms", "\"fast\""),
        ("kind", "\"revoked\""),
        ("source", "\"rumour\""),
        ("ca", "\"Not A Name\""),
        ("at", "\"yesterday\""),
        ("errorType", "\"dns\""),
        ("endpoint", "\"\""),
        ("dimension", "\"\""),
        ("vantage", "\"a\\u0000b\""),
        ("retryShare", "0.3"),
    ] {
        let items = observations(ObservationFormat::Ndjson, &line(field, value));
        assert_eq!(outline(&items), [(1, field)], "{value}");
    }
    for (field, value) in [("count", "1000000000000"), ("seconds", "31622400")] {
        let items = observations(ObservationFormat::Ndjson, &line(field, value));
        assert_eq!(outline(&items), [(1, "ok")], "{field}");
    }
    let csv = "at,kind,count,latency_ms\n0,issued,1,NaN\n0,issued,1,inf\n0,issued,,1\n";
    let items = observations(ObservationFormat::Csv, csv);
    assert_eq!(
        outline(&items),
        [(2, "latency_ms"), (3, "latency_ms"), (4, "count")]
    );
}

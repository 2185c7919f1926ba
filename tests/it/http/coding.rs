//! Documents and the page's files, compressed beforehand.

use std::io::Read as _;

use reqwest::{Method, Response, StatusCode};

use crate::server::TestServer;

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    let value = answer.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

async fn ask(server: &TestServer, path: &str, pairs: &[(&str, &str)]) -> Response {
    let request = server.ask(Method::GET, path);
    pairs
        .iter()
        .fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
        .send()
        .await
        .unwrap()
}

fn unpacked(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "br" => brotli::Decompressor::new(bytes, 4_096).read_to_end(&mut plain),
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain),
        "zstd" => zstd::stream::read::Decoder::new(bytes)
            .unwrap()
            .read_to_end(&mut plain),
        other => panic!("{other:?}"),
    }
    .unwrap();
    plain
}

#[tokio::test]
async fn every_file_comes_in_every_coding_with_a_strong_tag_of_its_own() {
    let server = TestServer::start().await;
    server.engine.publish().await.unwrap();
    for path in [
        "/",
        "/ca/example/",
        "/openapi.yaml",
        "/ranking.json",
        "/ca/example/ranking.json",
        "/schema/ranking-1.json",
    ] {
        let plain = ask(&server, path, &[]).await;
        assert_eq!(header(&plain, "content-encoding"), "", "{path}");
        assert_eq!(header(&plain, "vary"), "Accept-Encoding", "{path}");
        let mut tags = vec![header(&plain, "etag").to_owned()];
        let plain = plain.bytes().await.unwrap();
        for coding in ["br", "gzip", "zstd"] {
            let answer = ask(&server, path, &[("accept-encoding", coding)]).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path} {coding}");
            assert_eq!(header(&answer, "content-encoding"), coding, "{path}");
            assert_eq!(
                header(&answer, "vary"),
                "Accept-Encoding",
                "{path} {coding}"
            );
            let tag = header(&answer, "etag").to_owned();
            assert!(
                tag.starts_with('"') && !tags.contains(&tag),
                "{path} {coding}: {tag}"
            );
            let length: usize = header(&answer, "content-length").parse().unwrap();
            let packed = answer.bytes().await.unwrap();
            assert_eq!(packed.len(), length, "{path} {coding}");
            assert!(packed.len() < plain.len(), "{path} {coding}");
            assert_eq!(unpacked(coding, &packed), plain, "{path} {coding}");

            // Its own tag says that it is there already, another form's does not.
            for (known, want) in [(&tag, StatusCode::NOT_MODIFIED), (&tags[0], StatusCode::OK)] {
                let pairs = [("accept-encoding", coding), ("if-none-match", known)];
                let again = ask(&server, path, &pairs).await;
                assert_eq!(again.status(), want, "{path} {coding} {known}");
                assert_eq!(header(&again, "etag"), tag, "{path} {coding}");
                assert_eq!(header(&again, "vary"), "Accept-Encoding", "{path} {coding}");
            }
            tags.push(tag);
        }
        let refused = ask(&server, path, &[("accept-encoding", "gzip;q=0, identity")]).await;
        assert_eq!(header(&refused, "content-encoding"), "", "{path}");
        assert_eq!(refused.bytes().await.unwrap(), plain, "{path}");
    }
}

#[tokio::test]
async fn an_immutable_copy_is_compressed_too() {
    let server = TestServer::start().await;
    server.engine.publish().await.unwrap();
    let ranking = ask(&server, "/ranking.json", &[])
        .await
        .bytes()
        .await
        .unwrap();
    let path = format!("/r/{}/ranking.json", crate::server::sha256_hex(&ranking));
    let copy = ask(&server, &path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(header(&copy, "content-encoding"), "gzip");
    assert!(header(&copy, "cache-control").contains("immutable"));
    assert_eq!(unpacked("gzip", &copy.bytes().await.unwrap()), ranking);
}

#[tokio::test]
async fn many_that_ask_for_a_new_publication_get_the_same() {
    let server = TestServer::start().await;
    server.engine.publish().await.unwrap();
    let asked = (0..8).map(|_| ask(&server, "/ranking.json", &[("accept-encoding", "br")]));
    let answers = futures_util::future::join_all(asked).await;
    let tag = header(&answers[0], "etag");
    assert!(!tag.is_empty());
    for answer in &answers {
        assert_eq!(header(answer, "etag"), tag);
        assert_eq!(header(answer, "content-encoding"), "br");
    }
}

/// HTTP/1.1 on the wire: a `HEAD` has the length that the `GET` has, on every public route.
#[tokio::test]
async fn head_has_the_length_of_get_on_every_route() {
    let server = TestServer::start().await;
    server.engine.publish().await.unwrap();
    let mut seen = 0;
    for route in offpeak::http::PUBLIC
        .iter()
        .filter(|route| route.method == "GET")
    {
        let path = route
            .path
            .replace("{ca}", "example")
            .replace("{certid}", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.Aw")
            // Without a seed each answer is another.
            .replace("best-time", "best-time?seed=a");
        for coding in ["identity", "gzip"] {
            let length = async |method: Method| {
                let request = server.ask(method, &path).header("accept-encoding", coding);
                let answer = request.send().await.unwrap();
                let length = header(&answer, "content-length").to_owned();
                (length, answer.bytes().await.unwrap().len())
            };
            let (length_of_get, sent) = length(Method::GET).await;
            assert_eq!(length_of_get, sent.to_string(), "{path} {coding}");
            assert_eq!(
                length(Method::HEAD).await,
                (length_of_get, 0),
                "{path} {coding}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen}");
}

//! Requests that do not say whom they are for, and answers that wait for no body.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::TestServer;

const UNKNOWN: &str = "/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused() {
    let server = TestServer::start().await;
    for (path, version, hosts, status) in [
        (UNKNOWN, "1.1", "", 400),
        (UNKNOWN, "1.1", "host: a\r\nhost: a\r\n", 400),
        (UNKNOWN, "1.1", "host: a\r\n", 404),
        (UNKNOWN, "1.0", "", 404),
        (UNKNOWN, "1.0", "host: a\r\nhost: b\r\n", 400),
        ("/directory", "1.1", "", 400),
        ("/directory", "1.1", "host: a\r\nhost: b\r\n", 400),
        ("/directory", "1.1", "host: a\r\n", 200),
    ] {
        let request = format!("GET {path} HTTP/{version}\r\n{hosts}connection: close\r\n\r\n");
        let answer = server.raw(&request).await;
        let case = format!("{request}{answer}");
        assert_eq!(answer[9..12], status.to_string(), "{case}");
        assert!(answer.contains("\r\nserver: offpeak/"), "{case}");
        if status != 400 {
            continue;
        }
        assert!(
            answer.contains("\r\ncontent-type: application/problem+json\r\n"),
            "{case}"
        );
        let kind = if path == UNKNOWN {
            assert!(answer.contains("\r\nretry-after: "), "{case}");
            assert!(
                answer.contains("\r\naccess-control-allow-origin: *\r\n"),
                "{case}"
            );
            "urn:ietf:params:acme:error:malformed"
        } else {
            "about:blank"
        };
        assert!(answer.contains(&format!("\"type\":\"{kind}\"")), "{case}");
        assert!(answer.contains("Host: has to come, and once"), "{case}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_before_the_body_comes() {
    let server = TestServer::start().await;
    let address = server.admin.strip_prefix("http://").unwrap();
    for expect in ["", "expect: 100-continue\r\n"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v1/certificates HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\n\
             content-type: application/x-ndjson\r\ncontent-length: 1000000\r\n{expect}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // Nothing of the body is ever sent.
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(start, *b"HTTP/1.1 401", "{expect}");
    }
}

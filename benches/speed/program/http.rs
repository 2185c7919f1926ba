//! Single requests: what a page looks like, what the metrics say, how long one takes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Longer than any single answer takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Page {
    /// A header's value, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(named, _)| named.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// GETs a page on a connection of its own.
pub(super) fn get(address: SocketAddr, path: &str) -> anyhow::Result<Page> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    exchange(address, head.as_bytes())
}

/// Sends a request that asks for the connection to be closed.
pub(super) fn exchange(address: SocketAddr, request: &[u8]) -> anyhow::Result<Page> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(request)?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    parsed(&answer).with_context(|| format!("{address} gave no HTTP answer"))
}

fn parsed(answer: &[u8]) -> anyhow::Result<Page> {
    let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else {
        bail!("it ends within the head");
    };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let page = Page {
        status: status.context("no status")?.parse()?,
        headers,
        body: answer[end + 4..].to_vec(),
    };
    let length = page.header("content-length");
    if length.is_some_and(|length| length.parse() != Ok(page.body.len())) {
        bail!("the body has {} octets", page.body.len());
    }
    Ok(page)
}

//! The sources of connections: an address, a Unix socket, or a socket opened by systemd.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket, lookup_host};

use super::neighbours::Neighbourhood;
use super::stream::Stream;
use super::tls::Tls;
use crate::config::UNIX_PREFIX;

/// The length of the kernel's accept queue: its default maximum (`net.core.somaxconn`), and a
/// second of TLS handshakes of one core. tokio's default of 128 overflows if some hundred clients
/// arrive in the same second; their connections are dropped, and they retry after one, three and
/// seven seconds.
pub(super) const MOST_QUEUED: u32 = 4_096;

/// A bound socket, with or without TLS.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    tls: Option<Arc<Tls>>,
    neighbourhood: Arc<Neighbourhood>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    /// With the socket's file, if it was created here.
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "it is removed when it is dropped")] Option<SocketFile>,
    ),
}

/// The file of a Unix socket, removed on drop.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // If this fails, the next process that binds removes it.
        let _ = fs::remove_file(&self.0);
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Socket::Tcp(listener).into()
    }
}

impl From<Socket> for Listener {
    fn from(socket: Socket) -> Self {
        Self {
            socket,
            tls: None,
            neighbourhood: Arc::default(),
        }
    }
}

impl Listener {
    /// Binds to `ADDRESS:PORT` or `unix:/PATH`. An abandoned Unix socket file is replaced; the new
    /// one is removed with the listener.
    ///
    /// # Errors
    /// The kernel's error.
    pub async fn bind(address: &str) -> io::Result<Self> {
        let socket = match address.strip_prefix(UNIX_PREFIX) {
            Some(path) => {
                let path = Path::new(path);
                remove_abandoned(path)?;
                let socket = UnixSocket::new_stream()?;
                socket.bind(path)?;
                let listener = socket.listen(MOST_QUEUED)?;
                Socket::Unix(listener, Some(SocketFile(path.to_owned())))
            }
            None => Socket::Tcp(bind_tcp(address).await?),
        };
        Ok(socket.into())
    }

    /// The same, with TLS.
    #[must_use]
    pub fn secured(self, tls: Arc<Tls>) -> Self {
        Self {
            tls: Some(tls),
            ..self
        }
    }

    /// The same, with limits for each client address.
    #[must_use]
    pub fn among(self, neighbourhood: Arc<Neighbourhood>) -> Self {
        Self {
            neighbourhood,
            ..self
        }
    }

    /// The listener's URL: `http://ADDRESS:PORT`, `https://ADDRESS:PORT` with TLS, or `unix:/PATH`.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn url(&self) -> io::Result<String> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                Ok(format!("{scheme}://{}", listener.local_addr()?))
            }
            Socket::Unix(listener, _) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().unwrap_or_else(|| Path::new(""));
                Ok(format!("{UNIX_PREFIX}{}", path.display()))
            }
        }
    }

    /// The base URL if none is configured: [`Listener::url`], or `http://localhost` on a Unix
    /// socket, whose public URL only the proxy in front knows.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn base_url(&self) -> io::Result<String> {
        match &self.socket {
            Socket::Tcp(_) => self.url(),
            Socket::Unix(..) => Ok("http://localhost".to_owned()),
        }
    }

    pub(super) fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }

    pub(super) fn neighbourhood(&self) -> Arc<Neighbourhood> {
        Arc::clone(&self.neighbourhood)
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                // Answers are written as a whole, so waiting to fill a segment only delays them.
                // The connection also works if the option is refused.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Some(from.ip())))
            }
            Socket::Unix(listener, _) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

/// Listens on the first of the resolved addresses that can be bound.
async fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for address in lookup_host(address).await? {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // Closed connections of a previous process, which the kernel still remembers, must not
        // prevent binding.
        socket.set_reuseaddr(true)?;
        match socket
            .bind(address)
            .and_then(|()| socket.listen(MOST_QUEUED))
        {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Removes a socket file that nobody listens on, left by a process that was killed.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = || {
        std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    if is_socket && refused() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// The sockets that systemd opened for this process (`LISTEN_FDS`, `LISTEN_PID`) and that are not
/// taken yet.
pub struct InheritedSockets {
    sockets: ListenFd,
    /// The names in `LISTEN_FDNAMES`, in the order of the sockets.
    names: Vec<String>,
}

impl InheritedSockets {
    /// The inherited sockets of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            sockets: ListenFd::from_env(),
            names: names.split(':').map(str::to_owned).collect(),
        }
    }

    /// Takes the socket with a name. If no socket has one of `names`, takes the one at the name's
    /// position in that list.
    ///
    /// # Errors
    /// What was passed is not a listening socket.
    pub fn take(&mut self, name: &str, names: &[&str]) -> io::Result<Option<Listener>> {
        let any_known = self
            .names
            .iter()
            .any(|given| names.contains(&given.as_str()));
        let at = if any_known {
            self.names.iter().position(|given| given == name)
        } else {
            names.iter().position(|known| *known == name)
        };
        let Some(at) = at else {
            return Ok(None);
        };
        if let Ok(Some(listener)) = self.sockets.take_unix_listener(at) {
            listener.set_nonblocking(true)?;
            let listener = UnixListener::from_std(listener)?;
            return Ok(Some(Socket::Unix(listener, None).into()));
        }
        let Some(listener) = self.sockets.take_tcp_listener(at)? else {
            return Ok(None);
        };
        listener.set_nonblocking(true)?;
        Ok(Some(TcpListener::from_std(listener)?.into()))
    }
}

impl fmt::Debug for InheritedSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passed({:?})", self.names)
    }
}

/// A source of connections with their addresses: a listener, or a test.
pub(super) trait Accept: Send + Sync {
    fn accept(&self) -> impl Future<Output = io::Result<(Stream, Option<IpAddr>)>> + Send;
}

impl Accept for Listener {
    fn accept(&self) -> impl Future<Output = io::Result<(Stream, Option<IpAddr>)>> + Send {
        Self::accept(self)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn hundreds_that_come_at_once_wait_for_their_turn() {
        let allowed = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        if allowed.trim().parse::<u32>().unwrap() < 512 {
            eprintln!("skipped: net.core.somaxconn is {allowed}");
            return;
        }
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let url = listener.url().unwrap();
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        // Nobody accepts them, so the kernel drops connections once the queue is full.
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(2));
        let waiting: io::Result<Vec<TcpStream>> = (0..300).map(connect).collect();
        assert_eq!(waiting.unwrap().len(), 300);
    }
}

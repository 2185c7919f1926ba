//! A network between a program and its database, which may swallow everything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// Listens on a TCP port and passes on to a Unix socket what it hears.
#[derive(Debug)]
pub(crate) struct Wire {
    port: u16,
    cut: Arc<watch::Sender<u32>>,
    open: watch::Sender<bool>,
}

impl Wire {
    /// To this socket.
    pub(crate) async fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(watch::channel(0).0);
        let (open, is_open) = watch::channel(true);
        tokio::spawn(listen(
            listener,
            socket.to_owned(),
            is_open,
            Arc::clone(&cut),
        ));
        Self { port, cut, open }
    }

    /// The database's URL through it: an IP address, so that nothing asks a resolver.
    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        )
    }

    /// From now on nothing passes and nothing is refused: what is sent is taken and lost, as behind
    /// a firewall that drops.
    pub(crate) fn swallow(&self) {
        self.open.send_replace(false);
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Lets new connections through. Those from before stay as they are, neither alive nor closed.
    pub(crate) fn heal(&self) {
        self.open.send_replace(true);
    }
}

async fn listen(
    listener: TcpListener,
    socket: PathBuf,
    is_open: watch::Receiver<bool>,
    cut: Arc<watch::Sender<u32>>,
) {
    // Never closed: a closed connection would tell the program what has happened.
    let mut lost = Vec::new();
    while let Ok((near, _)) = listener.accept().await {
        if !*is_open.borrow() {
            lost.push(near);
            continue;
        }
        let Ok(far) = UnixStream::connect(&socket).await else {
            continue;
        };
        let mut cuts = cut.subscribe();
        let seen = *cuts.borrow_and_update();
        tokio::spawn(async move {
            let (mut near_in, mut near_out) = near.into_split();
            let (mut far_in, mut far_out) = far.into_split();
            let both = async {
                tokio::select! {
                    () = pass(&mut near_in, &mut far_out) => {}
                    () = pass(&mut far_in, &mut near_out) => {}
                }
            };
            tokio::select! {
                () = both => return,
                _ = cuts.wait_for(|now| *now > seen) => {}
            }
            // The database sees the connection close; the program sees nothing at all.
            drop((far_in, far_out));
            let _held = (near_in, near_out);
            std::future::pending::<()>().await;
        });
    }
}

async fn pass(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

//! Notifications from the kernel that something was put into a folder: inotify, if there is one.
//!
//! A notification only means "look now". So nothing is lost if it is missing: on network file
//! systems, beyond the limit of watches, or when too much happened at once, the next regular check
//! finds it.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The buffer holds about a hundred notifications of 16 octets and a name each.
const BUFFER_OCTETS: usize = 4 << 10;

/// A file was written and closed, or renamed into the folder, or a folder was created. Reading
/// files does not trigger it.
const WATCHED: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::CREATE)
    .union(WatchFlags::MOVED_TO);

/// Watches folders.
#[derive(Debug)]
pub(super) struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    /// Starts without watching anything.
    pub(super) fn begin() -> io::Result<Self> {
        let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe; what that asks for holds, since the descriptor is owned \
                      here, and neither replaced nor closed before"
        )]
        let watched = AsyncFd::with_interest(inotify, Interest::READABLE);
        Ok(Self(watched?))
    }

    /// Watches a folder without its subfolders. Calling it again has no effect.
    pub(super) fn add(&self, folder: &Path) -> io::Result<()> {
        add_watch(self.0.get_ref(), folder, WATCHED)?;
        Ok(())
    }

    /// Waits until something has changed since the last call.
    pub(super) async fn changed(&self) {
        loop {
            let Ok(mut ready) = self.0.readable().await else {
                return pending().await;
            };
            match ready.try_io(|inotify| read_all(inotify.get_ref())) {
                Ok(Ok(())) => return,
                Ok(Err(_)) => return pending().await,
                // There was nothing after all.
                Err(_) => {}
            }
        }
    }
}

/// Reads all notifications; returns `WouldBlock` if there were none.
fn read_all(inotify: &OwnedFd) -> io::Result<()> {
    let mut ready = [0; BUFFER_OCTETS];
    let mut any = false;
    loop {
        match rustix::io::read(inotify, &mut ready) {
            Ok(_) => any = true,
            Err(Errno::WOULDBLOCK) if any => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

//! Follows what a running daemon decides, by the file that it lets others read: inotify(7) tells whenever that
//! is replaced. Neither the daemon nor this needs a privilege for it, and the daemon does not know of it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::daemon::published::{self, Running};
use mptcpize_model::daemon::Told;

/// What became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A decision.
    Decided(Told),
    /// So many decisions came before the next one and are no longer remembered.
    Missed(u64),
    /// The daemon is gone.
    Ended,
}

/// The daemon of one network namespace, whether or not it runs yet.
#[derive(Debug)]
pub struct Watch {
    inotify: OwnedFd,
    directory: PathBuf,
    netns: u64,
    /// Watched while there is no run directory, to see it being made.
    above: Option<i32>,
    seen: Option<Running>,
}

impl Watch {
    /// Begins with what is decided from now on.
    ///
    /// # Errors
    /// The user has as many watches as the kernel allows, or nothing lies above the run directory.
    pub fn open(directory: &Path, netns: u64) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let directory = directory.to_owned();
        let mut watch = Watch { inotify, directory, netns, above: None, seen: None };
        watch.aim()?;
        watch.seen = published::running(&watch.directory, netns);
        Ok(watch)
    }

    /// What became known since the last call.
    ///
    /// # Errors
    /// The watch fails.
    pub fn news(&mut self) -> io::Result<Vec<News>> {
        let removed = self.drain()?;
        if removed || self.above.is_some() {
            self.aim()?;
        }
        let now = published::running(&self.directory, self.netns);
        let mut news = Vec::new();
        let one = |running: &Running| (running.pid, running.status.since);
        let same = self.seen.as_ref().map(one) == now.as_ref().map(one);
        if self.seen.is_some() && !same {
            news.push(News::Ended);
        }
        if let Some(now) = &now {
            let before = self.seen.as_ref().filter(|_| same);
            let number = before.map_or(0, |before| before.status.told());
            let (missed, decided) = now.status.after(number);
            news.extend((missed > 0).then_some(News::Missed(missed)));
            news.extend(decided.iter().cloned().map(News::Decided));
        }
        self.seen = now;
        Ok(news)
    }

    /// Watches the run directory, or what is above it while there is none.
    fn aim(&mut self) -> io::Result<()> {
        let within = WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        loop {
            match inotify::add_watch(&self.inotify, &self.directory, within) {
                Err(Errno::NOENT) if self.above.is_none() => {}
                Err(Errno::NOENT) => return Ok(()),
                other => {
                    other?;
                    if let Some(above) = self.above.take() {
                        inotify::remove_watch(&self.inotify, above)?;
                    }
                    return Ok(());
                }
            }
            let made = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
            let above = self.directory.parent().unwrap_or(Path::new("/"));
            self.above = Some(inotify::add_watch(&self.inotify, above, made)?);
            // It may have been made between the two.
        }
    }

    /// Reads all that inotify has, and says whether a watch ended. Which file it was does not matter:
    /// the daemon's is read anyway.
    fn drain(&self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let mut removed = false;
        loop {
            match reader.next() {
                Ok(event) => removed |= event.events().contains(ReadFlags::IGNORED),
                Err(Errno::AGAIN) => return Ok(removed),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

//! A transfer (transfer.py) of which half is held back until the test lets it go.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Cmd, scratch};

/// A new pipe with a name (fifo(7)).
pub fn fifo() -> PathBuf {
    let path = scratch("hold").join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("the name is new");
    path
}

/// What a client waits for in the middle of its transfer.
#[derive(Debug)]
pub struct Hold {
    path: PathBuf,
    pipe: File,
}

impl Hold {
    pub fn new() -> Self {
        let path = fifo();
        // For reading too: so it is open before the client comes, and keeps what was written.
        let pipe = File::options().read(true).write(true).open(&path).expect("it was made");
        Hold { path, pipe }
    }

    /// The client waits for this.
    pub fn on(&self, client: Cmd) -> Cmd {
        client.env("HOLD", &self.path)
    }

    /// Lets it go on. What a pipe holds goes with its last end, so this one is kept until then.
    pub fn release(&self) {
        (&self.pipe).write_all(b"x").expect("the pipe has room");
    }
}

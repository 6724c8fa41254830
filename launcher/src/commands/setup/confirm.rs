//! `setup --confirm`: a process of its own that undoes the set-up after a while, unless somebody
//! who can still reach the host says that it is to stay.
//!
//! Armed before the first change and detached from the terminal, so that it survives the
//! connection that the change may cut. It runs `setup undo`, so its end is that of any undo.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::error::{Error, Exit, reason};
use crate::host::apply::lock;
use crate::host::netns::identity;
use crate::locations::Locations;
use crate::output;

/// How long the guard may take to start.
const READY: Duration = Duration::from_secs(5);
/// How often we look whether it has; it takes a few milliseconds.
const MOMENT: Duration = Duration::from_millis(1);
/// How often the guard looks whether it was confirmed.
const LOOK: Duration = Duration::from_millis(200);

/// How long the guard waits at most before it tries again to undo.
const LONGEST: Duration = Duration::from_secs(5);

/// The file that says "not confirmed yet", with the guard's PID.
fn marker(locations: &Locations) -> PathBuf {
    locations.run().join(format!("netns-{}.unconfirmed", identity::netns()))
}

/// Starts the guard.
///
/// # Errors
/// It cannot be started; then nothing must be changed.
pub fn arm(locations: &Locations, seconds: u32, namespace: Option<&str>) -> Result<(), Error> {
    let failed = |error: io::Error| {
        Error::new(Exit::Failed, "cannot start the process that would undo the set-up")
            .why(reason(&error))
            .fix("run setup without --confirm")
    };
    lock::sign(&marker(locations)).map_err(failed)?;
    let mut guard = Command::new(env::current_exe().map_err(failed)?);
    guard.args(["setup", "guard", &seconds.to_string()]);
    if let Some(namespace) = namespace {
        guard.arg(format!("--netns={namespace}"));
    }
    guard.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    guard.current_dir("/");
    let mut child = guard.spawn().map_err(failed)?;
    let named = child.id().to_string();
    // Until it has left our session, which it says by its PID, it would end with us.
    let deadline = Instant::now() + READY;
    loop {
        // Before the look: one that is late because this process was kept from running still counts.
        let late = Instant::now() > deadline;
        let ended = !matches!(child.try_wait(), Ok(None));
        if fs::read_to_string(marker(locations)).is_ok_and(|text| text == named) {
            return Ok(());
        }
        if late || ended {
            disarm(locations);
            return Err(failed(match ended {
                true => io::Error::other("it ended at once"),
                false => io::ErrorKind::TimedOut.into(),
            }));
        }
        std::thread::sleep(MOMENT);
    }
}

/// Puts our PID into the file, and does not make it anew: it may be confirmed already.
fn sign(marker: &Path) -> io::Result<()> {
    File::options().write(true).open(marker)?.write_all(std::process::id().to_string().as_bytes())
}

/// Waits for so many seconds; true when nobody confirmed or undid meanwhile.
pub fn wait(locations: &Locations, seconds: u32) -> bool {
    // Leave the session of the terminal, which is about to hang up.
    let _ = rustix::process::setsid();
    let marker = marker(locations);
    if sign(&marker).is_err() {
        return false;
    }
    let deadline = Instant::now() + Duration::from_secs(u64::from(seconds));
    while Instant::now() < deadline {
        if !marker.exists() {
            return false;
        }
        std::thread::sleep(LOOK.min(deadline.saturating_duration_since(Instant::now())));
    }
    marker.exists()
}

/// Undoes until it has succeeded: a host that nobody reaches any more has nobody else who would try
/// again. Ends as well when somebody confirms or undoes meanwhile, which removes the mark.
pub fn insist(locations: &Locations, mut undo: impl FnMut() -> anyhow::Result<Exit>) {
    let marker = marker(locations);
    let mut pause = LOOK;
    while marker.exists() {
        match undo() {
            Ok(Exit::Done) => return,
            // Nobody reads what it says; the next one may find the lock free or the link back.
            _ => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Is there still a set-up that nobody confirmed or undid?
pub fn is_armed(locations: &Locations) -> bool {
    marker(locations).exists()
}

/// `setup confirm`.
///
/// # Errors
/// Nothing waits for it.
pub fn confirm(locations: &Locations) -> anyhow::Result<()> {
    match fs::remove_file(marker(locations)) {
        Ok(()) => match output::json::answer(|| json!({ "version": 1, "confirmed": true }))? {
            true => Ok(()),
            false => output::line("kept: the set-up stays until mptcpize setup undo"),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::new(Exit::Failed, "there is nothing to confirm")
                .why("no setup --confirm is waiting, or it was undone already")
                .fix("sudo mptcpize setup --confirm 60")
                .into())
        }
        Err(error) => Err(Error::new(Exit::NotPermitted, "cannot confirm")
            .why(reason(&error))
            .fix("sudo mptcpize setup confirm")
            .into()),
    }
}

/// Lets the guard end without doing anything.
pub fn disarm(locations: &Locations) {
    let _ = fs::remove_file(marker(locations));
}

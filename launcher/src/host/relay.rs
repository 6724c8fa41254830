//! Asking the relay of a gateway what it does.
//!
//! Its directory is root's, so whoever answers there was started by root; but the relay itself has no
//! privileges and talks to strangers, so its answer is bounded in size and time, and nothing in it is
//! taken for granted. Not here: what is made of the answer (the model's `status::lan`).

use std::fs;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::error::reason;
use crate::host::apply::lock;
use crate::syscall::timespec;
use mptcpize_model::gateway::Settings;
use mptcpize_model::gateway_status::{MOST_BYTES, State};
use mptcpize_model::status::lan::{Heard, Silence};

/// How long a relay may take to answer: it looks at all its connections, some thousand in a hundredth of
/// a second, and others who ask come first.
const PATIENCE: Duration = Duration::from_secs(1);

/// The directory of a gateway in the run directory.
fn home(run: &Path) -> PathBuf {
    run.join("gateway")
}

/// What the relay is told.
fn settings_file(run: &Path) -> PathBuf {
    home(run).join("settings.json")
}

/// Where it is asked.
fn place(run: &Path) -> PathBuf {
    home(run).join("state")
}

/// Asks the relay of network namespace `netns`.
pub fn ask(run: &Path, netns: u64) -> Heard {
    // What others could have made is not believed.
    if lock::check(run).is_err() {
        return Heard::Nothing;
    }
    let text = match told_at(&place(run)) {
        Ok(text) => text,
        Err(error) => {
            return match error.raw_os_error() {
                Some(libc::ENOENT) => silent(run, "there is no socket to ask it at", true),
                Some(libc::EACCES | libc::EPERM) => Heard::Hidden,
                Some(libc::ECONNREFUSED) => silent(run, "nobody listens at its socket", true),
                Some(libc::ETIMEDOUT) => silent(run, "it does not answer in a second", false),
                _ => silent(run, &reason(&error), false),
            };
        }
    };
    match understood(&text) {
        Ok(state) if state.netns == netns => Heard::State(Box::new(state)),
        // The gateway of another namespace, whose run directory is the same.
        Ok(_) => Heard::Nothing,
        Err(_) if text.is_empty() => silent(run, "it closed without an answer", false),
        Err(why) => silent(run, &format!("its answer is not understood: {why}"), false),
    }
}

/// What a relay says at its socket.
///
/// # Errors
/// It does not answer, or not in time, or says too much.
pub fn told_at(path: &Path) -> io::Result<Vec<u8>> {
    told_by(path, Instant::now() + PATIENCE)
}

/// The same until a time that several share.
///
/// # Errors
/// As [`told_at`].
pub fn told_by(path: &Path, until: Instant) -> io::Result<Vec<u8>> {
    open(path, until).and_then(|stream| read(stream, until))
}

/// Reads an answer.
pub(in crate::host) fn understood(text: &[u8]) -> Result<State, String> {
    let state: State = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    state.check()
}

/// Nobody answers; with the interfaces that the relay was told of, if it ever was.
fn silent(run: &Path, why: &str, gone: bool) -> Heard {
    match settings(run) {
        Some(Settings { lan: links, .. }) => {
            let why = why.to_owned();
            Heard::Silent(Silence { links, why, gone, service: is_service() })
        }
        None => Heard::Nothing,
    }
}

/// Is the gateway a unit of systemd that is active, or is to be? The first is what systemd itself notes
/// for each unit that is (systemd's src/core/unit.c, `unit_export_invocation_id`).
pub fn is_service() -> bool {
    let noted = [
        "/run/systemd/units/invocation:mptcpize-gateway.service",
        "/etc/systemd/system/multi-user.target.wants/mptcpize-gateway.service",
    ];
    noted.iter().any(|path| fs::symlink_metadata(path).is_ok())
}

/// What the relay was told, as far as this user may read it.
pub fn settings(run: &Path) -> Option<Settings> {
    let file = fs::File::open(settings_file(run)).ok()?;
    let mut text = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Connects without waiting for one who does not accept: EAGAIN where many wait already (unix(7)).
fn open(path: &Path, until: Instant) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let address = SocketAddrUnix::new(path)?;
    loop {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) => return Ok(UnixStream::from(socket)),
            Err(Errno::AGAIN) if Instant::now() < until => {
                let _ = poll(&mut [], Some(&timespec(Duration::from_millis(10))));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads to the end, in time, and no more than a relay ever says.
fn read(mut stream: UnixStream, until: Instant) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(text),
            Ok(length) => text.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Errno::TIMEDOUT.into());
                }
                let _ = poll(&mut [PollFd::new(&stream, PollFlags::IN)], Some(&timespec(left)));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if text.len() as u64 > MOST_BYTES {
            return Err(Errno::MSGSIZE.into());
        }
    }
}

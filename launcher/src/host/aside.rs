//! A view of the file system that nobody else sees, in which /etc can be changed and programs be
//! run: what would happen is tried before it is done.
//!
//! Mount and network namespaces of one thread; they end with it, whatever way the tool ends.
//! Programs are started in the view with a deadline, and what they say is kept.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::error::{Error, Exit, reason};

/// How long a program may take to print its version. A loaded machine is not a broken one.
const PATIENCE: Duration = Duration::from_secs(30);
/// `nobody`, where nothing else is known about users (Debian policy 9.2, and everywhere else).
const NOBODY: u32 = 65534;

/// A command to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// By an ordinary user, so that a set-user-ID program gains its privilege.
    pub by_nobody: bool,
    /// What is added to an environment of nothing but PATH.
    pub environment: Vec<(String, OsString)>,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended: `exit 0`, `signal 11`, `no end within 30 s`, or why it could not be started.
    pub end: String,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// The view, as the thread in it sees it.
pub struct View {
    _private: (),
}

/// Runs `work` with a view of the file system below `root`, in which /etc is a copy.
///
/// `staging` is an existing directory of ours, to lay the true /etc in; it is covered only in the
/// view.
///
/// # Errors
/// 4 when namespaces may not be made, 1 when they cannot be, or what `work` says.
pub fn in_a_view<T: Send>(
    root: &Path,
    staging: &Path,
    work: impl FnOnce(&mut View) -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let inside = || {
        enter(root, staging).map_err(|error| {
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            let exit = if denied { Exit::NotPermitted } else { Exit::Failed };
            Error::new(exit, "cannot try it out first")
                .why(format!("no private view of {}: {}", root.display(), reason(&error)))
                .fix("run it as root, outside of containers that forbid mounts")
        })?;
        work(&mut View { _private: () })
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, inside).map_err(|error| {
            Error::new(Exit::Failed, "cannot start a thread").why(reason(&error))
        })?;
        // Panics abort, so a thread that has ended has an answer.
        thread.join().expect("the thread did not panic")
    })
}

fn enter(root: &Path, staging: &Path) -> io::Result<()> {
    isolate()?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private)?;
    let etc = root.join("etc");
    mount_bind_recursive(&etc, staging)?;
    let etc = fs::canonicalize(&etc)?;
    mount("mptcpize", &etc, "tmpfs", MountFlags::empty(), Some(c"mode=755"))?;
    for entry in fs::read_dir(staging)? {
        let entry = entry?;
        let (from, to) = (entry.path(), etc.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
            continue;
        }
        if kind.is_socket() || kind.is_fifo() {
            continue;
        }
        if kind.is_dir() {
            fs::create_dir(&to)?;
        } else {
            File::create(&to)?;
        }
        mount_bind_recursive(&from, &to)?;
    }
    if root != Path::new("/") {
        rustix::process::chroot(root)?;
    }
    std::env::set_current_dir("/")
}

#[allow(unsafe_code)]
fn isolate() -> io::Result<()> {
    // SAFETY: new mount and network namespaces (the first with a root and working directory of
    // its own) leave the table of descriptors shared; only `UnshareFlags::FILES` would part it.
    Ok(unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }?)
}

impl View {
    /// Puts a file into the view's /etc, in place of the one there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH) {
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::write(path, bytes)
    }

    /// Runs a command to its end.
    pub fn run(&mut self, trial: &Trial) -> Outcome {
        match run(trial) {
            Ok(outcome) => outcome,
            Err(error) => Outcome {
                end: format!("cannot be started: {}", reason(&error)),
                stdout: String::new(),
                stderr: String::new(),
            },
        }
    }
}

fn run(trial: &Trial) -> io::Result<Outcome> {
    // In memory and not in pipes: whatever the program leaves behind holds nothing up.
    let stdout = File::from(memfd_create("stdout", MemfdFlags::CLOEXEC)?);
    let stderr = File::from(memfd_create("stderr", MemfdFlags::CLOEXEC)?);
    let mut command = Command::new(&trial.program);
    command
        .args(&trial.arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .envs(trial.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .process_group(0);
    if trial.by_nobody {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.spawn()?;
    let end = match wait(&mut child)? {
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => String::from("an unknown end"),
        },
        None => format!("no end within {} s", PATIENCE.as_secs()),
    };
    Ok(Outcome { end, stdout: text(stdout)?, stderr: text(stderr)? })
}

/// Waits with a deadline; a program that misses it is killed.
fn wait(child: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    let start = Instant::now();
    let pid = Pid::from_child(child);
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = PATIENCE.saturating_sub(start.elapsed());
        if left.is_zero() {
            // The whole group: it may have started others.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            child.wait()?;
            return Ok(None);
        }
        let left = Timespec { tv_sec: left.as_secs().try_into().unwrap_or(1), tv_nsec: 1_000_000 };
        let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&left));
    }
}

/// The first 64 KiB of what was said; nothing that is run says more.
fn text(mut file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(65536).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

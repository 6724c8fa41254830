//! A view of the file system that nobody else sees, in which /etc can be changed and programs be
//! run: what would happen is tried before it is done.
//!
//! Mount, network, IPC and host name namespaces of one thread; they end with it, whatever way the
//! tool ends. Each program gets a PID namespace besides, whose first process it is: with it ends
//! whatever it started. Programs have a deadline, and what they say is kept.
//!
//! The programs of an image are hostile. Its root becomes theirs by pivot_root(2), so that there is
//! nothing outside to climb to; it is read-only, without devices and set-user-ID; they run as
//! nobody, without capabilities, with no_new_privs, without descriptors and a terminal of ours, and
//! with limits on memory, processes, processor time and what they write.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, MemfdFlags, Mode, OFlags, memfd_create, mkdirat, openat,
    readlinkat, statat, symlinkat,
};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, mount_remount, unmount,
};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process, pidfd_open, pivot_root, setrlimit,
    setsid,
};
use rustix::thread::{
    LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_no_new_privs, unshare_unsafe,
};

use crate::error::{Error, Exit, reason};

/// How long a program may take to print its version. A loaded machine is not a broken one.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long all programs of an image may take together: twice what a loaded machine needs.
const ALL: Duration = Duration::from_secs(120);
/// `nobody`, where nothing else is known about users (Debian policy 9.2, and everywhere else).
const NOBODY: u32 = 65534;

/// What a program of an image may use, at most: seconds of processor time, address space (perl and
/// python need a tenth), processes of its user (a shell needs two), bytes of one file, no dumps.
const LIMITS: [(Resource, u64); 5] = [
    (Resource::Cpu, 10),
    (Resource::As, 1 << 30),
    (Resource::Nproc, 256),
    (Resource::Fsize, 1 << 20),
    (Resource::Core, 0),
];

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
    /// Of an image, whose programs are not trusted.
    image: bool,
    /// The namespace of our own processes.
    processes: OwnedFd,
    until: Instant,
}

/// Runs `work` with a view of the file system below `root`, in which /etc is a copy.
///
/// # Errors
/// 4 when namespaces may not be made, 1 when they cannot be, or what `work` says.
pub fn in_a_view<T: Send>(
    root: &Path,
    work: impl FnOnce(&mut View) -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let image = root != Path::new("/");
    let inside = || {
        let processes = enter(root, image).map_err(|error| {
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            let exit = if denied { Exit::NotPermitted } else { Exit::Failed };
            Error::new(exit, "cannot try it out first")
                .why(format!("no private view of {}: {}", root.display(), reason(&error)))
                .fix(
                    "run it as root, outside of containers that forbid mounts; \
                     to do without the trial: --no-trial",
                )
        })?;
        work(&mut View { image, processes, until: Instant::now() + ALL })
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, inside).map_err(|error| {
            Error::new(Exit::Failed, "cannot start a thread").why(reason(&error))
        })?;
        // Panics abort, so a thread that has ended has an answer.
        thread.join().expect("the thread did not panic")
    })
}

/// Makes the view, and gives back the namespace of processes that we are in.
fn enter(root: &Path, image: bool) -> io::Result<OwnedFd> {
    isolate()?;
    let processes = File::open("/proc/thread-self/ns/pid")?.into();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    if image {
        // Not what is mounted below it: that may be the host's /proc and /dev, for a chroot.
        mount_bind(root, root)?;
        let closed = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
        mount_remount(root, MountFlags::BIND | closed, c"")?;
    }
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let own = openat(CWD, root, directory, Mode::empty())?;
    // The one below the mount that comes, and the mount.
    let etc = openat(&own, "etc", directory, Mode::empty())?;
    let safe = MountFlags::NOSUID | MountFlags::NODEV;
    mount("mptcpize", path(&etc), "tmpfs", safe, Some(c"mode=755"))?;
    let copy = openat(&own, "etc", directory, Mode::empty())?;
    fill(&etc, &copy)?;
    if image {
        // The old root lies over the new one then, and goes.
        rustix::process::fchdir(&own)?;
        pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
    }
    std::env::set_current_dir("/")?;
    Ok(processes)
}

/// Lays everything of the true /etc into the copy.
fn fill(etc: &OwnedFd, copy: &OwnedFd) -> io::Result<()> {
    let listed =
        openat(etc, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for entry in Dir::read_from(&listed)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let found = statat(etc, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let target = match FileType::from_raw_mode(found.st_mode) {
            FileType::Symlink => {
                symlinkat(readlinkat(etc, name, Vec::new())?, copy, name)?;
                continue;
            }
            FileType::Directory => {
                mkdirat(copy, name, Mode::RWXU)?;
                openat(copy, name, flags | OFlags::PATH, Mode::empty())?
            }
            FileType::RegularFile => {
                openat(copy, name, flags | OFlags::CREATE | OFlags::WRONLY, Mode::RUSR)?
            }
            // Sockets and FIFOs have somebody at their other end, devices are not for a trial.
            _ => continue,
        };
        let from = openat(etc, name, flags | OFlags::PATH, Mode::empty())?;
        mount_bind_recursive(path(&from), path(&target))?;
    }
    Ok(())
}

/// A descriptor as a path of this thread.
fn path(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/thread-self/fd/{}", descriptor.as_raw_fd()))
}

#[allow(unsafe_code)]
fn isolate() -> io::Result<()> {
    let all =
        UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    // SAFETY: new namespaces (that of mounts with a root and working directory of its own) leave
    // the table of descriptors shared; only `UnshareFlags::FILES` would part it.
    Ok(unsafe { unshare_unsafe(all) }?)
}

impl View {
    /// Puts a file into the view's /etc, in place of the one there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match unmount(path, UnmountFlags::DETACH) {
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::write(path, bytes)?;
        // As it will be: the umask takes bits that programs of other users need.
        fs::set_permissions(path, Permissions::from_mode(0o644))
    }

    /// Runs a command to its end.
    pub fn run(&mut self, trial: &Trial) -> Outcome {
        match self.try_run(trial) {
            Ok(outcome) => outcome,
            Err(error) => Outcome {
                end: format!("cannot be started: {}", reason(&error)),
                stdout: String::new(),
                stderr: String::new(),
            },
        }
    }
}

impl View {
    fn try_run(&self, trial: &Trial) -> io::Result<Outcome> {
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
            // Empty too, and no /dev/null: an image need not have one.
            .stdin(File::from(memfd_create("stdin", MemfdFlags::CLOEXEC)?))
            .stdout(stdout.try_clone()?)
            .stderr(stderr.try_clone()?);
        if trial.by_nobody || self.image {
            command.uid(NOBODY).gid(NOBODY);
        }
        self.confine(&mut command);
        self.new_processes()?;
        let mut child = command.spawn()?;
        let patience = match self.image {
            true => PATIENCE.min(self.until.saturating_duration_since(Instant::now())),
            false => PATIENCE,
        };
        let end = match wait(&mut child, patience)? {
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("exit {code}"),
                (None, Some(signal)) => format!("signal {signal}"),
                (None, None) => String::from("an unknown end"),
            },
            None => format!("no end within {} s", PATIENCE.as_secs()),
        };
        Ok(Outcome { end, stdout: text(stdout)?, stderr: text(stderr)? })
    }

    /// The next program is the first process of a new PID namespace.
    #[allow(unsafe_code)]
    fn new_processes(&self) -> io::Result<()> {
        // From our own, because a thread whose children go elsewhere may not make another one.
        let kind = Some(LinkNameSpaceType::ProcessID);
        move_into_link_name_space(self.processes.as_fd(), kind)?;
        // SAFETY: as in `isolate`; this one is of the children alone.
        Ok(unsafe { unshare_unsafe(UnshareFlags::NEWPID) }?)
    }

    /// What a program loses between fork and exec.
    #[allow(unsafe_code)]
    fn confine(&self, command: &mut Command) {
        let image = self.image;
        let closed = move || -> io::Result<()> {
            // No terminal that input could be pushed into.
            setsid()?;
            if !image {
                return Ok(());
            }
            // SAFETY: the call only marks descriptors of this child to be closed by exec.
            let marked = unsafe {
                libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC)
            };
            if marked != 0 {
                return Err(io::Error::last_os_error());
            }
            for (resource, limit) in LIMITS {
                setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
            }
            // The change of the user has taken all capabilities already.
            Ok(set_no_new_privs(true)?)
        };
        // SAFETY: only system calls, which are async-signal-safe; nothing is allocated.
        unsafe {
            command.pre_exec(closed);
        }
    }
}

/// `CLOSE_RANGE_CLOEXEC` (linux/close_range.h).
const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;

/// Waits with a deadline; a program that misses it is killed, with what it started.
fn wait(child: &mut Child, patience: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let start = Instant::now();
    let pid = Pid::from_child(child);
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            let _ = kill_process(pid, Signal::KILL);
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

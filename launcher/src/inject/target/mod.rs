//! The program that is about to run: found as execvp(3) finds it, followed through its `#!` lines
//! to the binary that the kernel will load, and judged: does a preload reach it?

mod build_info;
pub mod elf;
mod elf_fields;
pub mod go;
pub mod script;
mod sections;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, StatVfsMountFlags};

use crate::error::{Error, Exit, reason};
use crate::inject::reach::{Reach, Subject, Why};
use crate::inject::seccomp::abi;
use crate::root::Root;
use elf::{Class, Elf, Flaw, ReadAt};

/// How many interpreters the kernel follows (`exec_binprm`, fs/exec.c: more than five rewrites
/// are ELOOP).
const MOST_INTERPRETERS: usize = 5;

/// Where execvp(3) looks when PATH is not set.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Who runs it: what decides whether the loader trusts the environment.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    user: u32,
    group: u32,
    real_user: u32,
    real_group: u32,
    no_new_privileges: bool,
}

impl Caller {
    /// This process.
    pub fn current() -> Self {
        Caller {
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
            real_user: rustix::process::getuid().as_raw(),
            real_group: rustix::process::getgid().as_raw(),
            no_new_privileges: rustix::thread::no_new_privs().unwrap_or(false),
        }
    }
}

impl Caller {
    /// A service of the system: root, or any other user.
    pub fn of_service(other: bool, no_new_privileges: bool) -> Self {
        // Which user it is matters only for programs that are set-user-ID to that very user.
        let user = if other { u32::MAX } else { 0 };
        Caller { user, group: user, real_user: user, real_group: user, no_new_privileges }
    }

    /// Does a file's privilege count for it, which root has anyway and a promise rules out?
    pub fn may_gain(&self) -> bool {
        self.user != 0 && !self.no_new_privileges
    }

    /// The caller, with `no_new_privs` as well where `also` says so.
    #[must_use]
    pub fn with_no_new_privileges(self, also: bool) -> Self {
        Caller { no_new_privileges: self.no_new_privileges || also, ..self }
    }
}

/// A program, looked at.
#[derive(Debug)]
pub struct Target {
    /// What execve(2) is given.
    pub path: PathBuf,
    /// The binary at the end of the `#!` chain; `path` itself for a binary.
    pub binary: PathBuf,
    image: Image,
    gains_privilege: Option<&'static str>,
}

#[derive(Debug)]
enum Image {
    Program(Elf, File),
    /// The kernel will say what is wrong with it.
    Unknown,
    /// An interpreter of the chain does not exist.
    MissingInterpreter,
}

impl Target {
    /// Finds and looks at the program `name`.
    ///
    /// # Errors
    /// 127 when there is no such program, 126 when there is one that may not be executed.
    pub fn find(name: &OsStr, path: Option<&OsStr>, caller: &Caller) -> Result<Self, Error> {
        search(name, path, |path| Target::look_at(path, caller))
    }

    /// Looks at a program by its path in a root, with the interpreters that are there.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn within(root: &Root, path: &Path, caller: &Caller) -> Result<Self, Error> {
        let found = root.metadata(path).and_then(|found| match found.is_file() {
            true if found.mode() & 0o111 != 0 => Ok(()),
            _ => Err(io::Error::from_raw_os_error(libc::EACCES)),
        });
        found.map_err(|error| unusable(&path.to_string_lossy(), &error))?;
        let open = |path: &Path| root.file(path);
        Ok(Target::opened(path.to_owned(), caller, &open))
    }

    fn look_at(path: PathBuf, caller: &Caller) -> Self {
        Target::opened(path, caller, &open)
    }

    fn opened(path: PathBuf, caller: &Caller, open: &dyn Fn(&Path) -> io::Result<File>) -> Self {
        let (binary, image) = follow(&path, open);
        let gains_privilege = match image {
            Image::Program(_, ref file) => gains_privilege(file, caller),
            Image::Unknown | Image::MissingInterpreter => None,
        };
        Target { path, binary, image, gains_privilege }
    }

    /// Does the preload reach it, and if not, why?
    pub fn reach(&self) -> Reach {
        let Image::Program(elf, file) = &self.image else {
            return Reach::Unknown;
        };
        if elf.machine != elf_machine() && elf.class == our_class() {
            return Reach::No(Why::Machine(elf.machine));
        }
        if let Some(loader) = self.loader()
            && !loader.exists()
        {
            return Reach::No(Why::NoLoader(loader));
        }
        if let Some(version) = elf.go {
            return match version.knows_mptcp() {
                true => Reach::GoDebug(version),
                false => Reach::No(Why::OldGo(version)),
            };
        }
        if elf.interpreter.is_none() {
            // We may be static ourselves, and will see to what we run in turn.
            return if is_this_program(file) { Reach::Preload } else { Reach::No(Why::Static) };
        }
        if elf.class != our_class() || elf.machine != elf_machine() {
            return Reach::No(Why::Class);
        }
        match self.gains_privilege {
            Some(how) => Reach::No(Why::Privilege(how)),
            None => Reach::Preload,
        }
    }

    /// What the decision about the way in needs to know.
    pub fn subject(&self) -> Subject {
        let filterable = match &self.image {
            Image::Program(elf, _) => abi::covers(elf.machine),
            Image::Unknown | Image::MissingInterpreter => true,
        };
        Subject { reach: self.reach(), filterable }
    }

    /// Can its loader load a library of our class and processor? True when we could not tell.
    pub fn loads_our_class(&self) -> bool {
        match &self.image {
            Image::Program(elf, _) => elf.class == our_class() && elf.machine == elf_machine(),
            Image::Unknown | Image::MissingInterpreter => true,
        }
    }

    /// What execve(2) misses when it says ENOENT about a file that is there.
    pub fn missing(&self) -> Option<String> {
        match &self.image {
            Image::MissingInterpreter => Some(format!("the interpreter {}", self.binary.display())),
            Image::Program(..) => {
                let loader = self.loader().filter(|loader| !loader.exists())?;
                Some(format!("the loader {}", loader.display()))
            }
            Image::Unknown => None,
        }
    }

    fn loader(&self) -> Option<PathBuf> {
        match &self.image {
            Image::Program(Elf { interpreter: Some(name), .. }, _) => {
                Some(PathBuf::from(OsStr::from_bytes(name)))
            }
            _ => None,
        }
    }
}

/// The word size of this binary, and so of the library inside it.
fn our_class() -> Class {
    if cfg!(target_pointer_width = "64") { Class::Bits64 } else { Class::Bits32 }
}

/// `e_machine` of this binary (elf.h).
fn elf_machine() -> u16 {
    match std::env::consts::ARCH {
        "x86_64" => 62,
        "aarch64" => 183,
        "x86" => 3,
        "arm" => 40,
        "riscv64" => 243,
        "powerpc64" => 21,
        "s390x" => 22,
        _ => 0,
    }
}

/// PATH look-up as execvp(3) does it: a name with a slash is taken as it is; what may not be
/// executed, and what has no interpreter, is remembered while the search goes on.
fn search(
    name: &OsStr,
    path: Option<&OsStr>,
    look_at: impl Fn(PathBuf) -> Target,
) -> Result<Target, Error> {
    let shown = name.to_string_lossy();
    let not_found = || Error::new(Exit::NotFound, format!("{shown}: command not found"));
    if name.is_empty() {
        return Err(not_found().why("the name is empty"));
    }
    if name.as_bytes().contains(&b'/') {
        return match executable(Path::new(name)) {
            Ok(()) => Ok(look_at(PathBuf::from(name))),
            Err(error) => Err(unusable(&shown, &error)),
        };
    }
    let default = OsString::from(DEFAULT_PATH);
    let mut forbidden = None;
    let mut incomplete = None;
    for directory in path.unwrap_or(&default).as_bytes().split(|byte| *byte == b':') {
        // An empty entry is the current directory; joined with it, the name stays bare.
        let candidate = Path::new(OsStr::from_bytes(directory)).join(name);
        match executable(&candidate) {
            Ok(()) => {
                let target = look_at(candidate);
                if target.missing().is_none() {
                    return Ok(target);
                }
                incomplete.get_or_insert(target);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                forbidden.get_or_insert((candidate, error));
            }
            Err(_) => {}
        }
    }
    match (forbidden, incomplete) {
        (Some((candidate, error)), _) => Err(unusable(&candidate.to_string_lossy(), &error)),
        (None, Some(target)) => Ok(target),
        (None, None) => {
            Err(not_found().why("no directory of PATH has it").fix("check the name and PATH"))
        }
    }
}

fn unusable(shown: &str, error: &io::Error) -> Error {
    let exit = match error.kind() {
        io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::NotExecutable,
    };
    Error::new(exit, format!("cannot run {shown}")).why(reason(error))
}

/// May we execute this file? A directory or FIFO is refused as execve(2) would.
fn executable(path: &Path) -> io::Result<()> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    rustix::fs::accessat(rustix::fs::CWD, path, Access::EXEC_OK, AtFlags::EACCESS)?;
    Ok(())
}

/// Follows `#!` lines to the binary.
fn follow(path: &Path, open: &dyn Fn(&Path) -> io::Result<File>) -> (PathBuf, Image) {
    let mut path = path.to_owned();
    for _ in 0..=MOST_INTERPRETERS {
        let file = match open(&path) {
            Ok(file) => file,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return (path, Image::MissingInterpreter);
            }
            Err(_) => return (path, Image::Unknown),
        };
        let elf = elf::read(&file);
        match elf {
            Ok(elf) => return (path, Image::Program(elf, file)),
            Err(Flaw::NotElf) => {}
            Err(Flaw::Broken(_) | Flaw::Io(_)) => return (path, Image::Unknown),
        }
        let mut start = [0; script::LOOKED_AT];
        let got = ReadAt::read_at(&file, 0, &mut start).unwrap_or(0);
        match script::interpreter(start.get(..got).unwrap_or(&[])) {
            Some(interpreter) => path = interpreter,
            // execvp gives it to the shell, and so do we.
            None => path = PathBuf::from("/bin/sh"),
        }
    }
    (path, Image::Unknown)
}

/// Opens a regular file for a look; never waits for the other end of a FIFO.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() || kind.is_socket() || !kind.is_file() {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    Ok(file)
}

/// Is it the file that this process runs?
fn is_this_program(file: &File) -> bool {
    let identity = |found: Metadata| (found.dev(), found.ino());
    match (file.metadata(), std::fs::metadata("/proc/self/exe")) {
        (Ok(file), Ok(own)) => identity(file) == identity(own),
        _ => false,
    }
}

/// Will the kernel set AT_SECURE for this binary (ld.so(8), "secure-execution mode"), as
/// `cap_bprm_creds_from_file` (security/commoncap.c) decides it?
fn gains_privilege(file: &File, caller: &Caller) -> Option<&'static str> {
    let found = file.metadata().ok()?;
    let nosuid = rustix::fs::fstatvfs(file)
        .is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::NOSUID));
    let bits = !nosuid && !caller.no_new_privileges;
    let capabilities = if nosuid { None } else { capabilities(file) };
    changes_ids(&found, caller, bits).or_else(|| {
        let gains = capabilities.is_some_and(|effective| effective || !caller.no_new_privileges);
        // Root gains nothing from capabilities on a file.
        (gains && caller.real_user != 0).then_some("a program with file capabilities")
    })
}

/// Will its effective ids differ from the caller's real ones? The kernel compares these two, so a
/// caller who lives with different ids is distrusted whatever it runs.
fn changes_ids(found: &Metadata, caller: &Caller, bits: bool) -> Option<&'static str> {
    /// Set-group-ID counts only with group execute (otherwise it once meant locking).
    const SETGID: u32 = 0o2010;
    let setuid = bits && found.mode() & 0o4000 != 0;
    let setgid = bits && found.mode() & SETGID == SETGID;
    let user = if setuid { found.uid() } else { caller.user };
    let group = if setgid { found.gid() } else { caller.group };
    match (user != caller.real_user, group != caller.real_group) {
        (true, _) if setuid => Some("setuid"),
        (_, true) if setgid => Some("setgid"),
        (false, false) => None,
        _ => Some("run with different real and effective ids"),
    }
}

/// The capabilities on a file, `security.capability` (capabilities(7), "File capabilities"):
/// `None` without any, else whether their effective bit is set.
fn capabilities(file: &File) -> Option<bool> {
    /// `VFS_CAP_FLAGS_EFFECTIVE` of `magic_etc`, the little-endian first word.
    const EFFECTIVE: u8 = 1;
    let mut value = [0u8; 64];
    let size = rustix::fs::fgetxattr(file, "security.capability", &mut value).ok()?;
    (size > 0).then(|| value[0] & EFFECTIVE != 0)
}

//! Who still names a library of ours in `LD_PRELOAD`, although no file says it any more: what runs
//! already hands its environment on to what it starts.
//!
//! Read from procfs. Not here: who has the library loaded, which holds the file whatever its name
//! ([`crate::host::procfs::processes`]).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::host::procfs::processes as seen;
use crate::host::systemd::systemctl::Systemctl;
use mptcpize_model::unit::process::Environment;

/// Where systemd, once it is the first process, has its state.
const BOOTED: &str = "/run/systemd/system";
/// Where users have their runtime directories (pam_systemd(8)).
const USERS: &str = "/run/user";

/// Lets every service manager read its environment anew: the system's, which the caller waits for,
/// and those of users by the signal that is their `daemon-reload` (systemd(1), SIGHUP), because root has
/// no way to their buses.
pub fn reload_managers() {
    if Path::new(BOOTED).exists() {
        // One that refuses still names the library, and is asked about that below.
        let _ = (Systemctl { user: false }).reload();
    }
    if has_user_managers() {
        for manager in processes().filter(|process| is_user_manager(process)) {
            if let Some(pid) = pid(&manager) {
                let _ = kill_process(pid, Signal::HUP);
            }
        }
    }
}

/// May something that runs hand on `name`, the name of the `files`? `by_managers`: service managers were
/// told it too. Those of users cannot be asked, so that one is there counts.
pub fn is_named(name: &OsStr, files: &[PathBuf], by_managers: bool) -> bool {
    let by_system = by_managers && Path::new(BOOTED).exists() && {
        let told = (Systemctl { user: false }).environment().unwrap_or_default();
        told.get("LD_PRELOAD").is_some_and(|value| value.contains(&*name.to_string_lossy()))
    };
    by_system
        || (by_managers && has_user_managers())
        || processes().any(|process| {
            let hands_on = preloads(&process, name) || (by_managers && hides(&process, name));
            hands_on && sees(&process, files)
        })
}

/// Each has a socket in the runtime directory of its user.
fn has_user_managers() -> bool {
    let users = fs::read_dir(USERS).into_iter().flatten().flatten();
    users.into_iter().any(|user| user.path().join("systemd/private").exists())
}

/// Every process but this one, which ends before it could start another one.
fn processes() -> impl Iterator<Item = PathBuf> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_other = move |name: &str| name.parse::<u32>().is_ok() && name != own;
    entries
        .filter(move |entry| entry.file_name().to_str().is_some_and(&is_other))
        .map(|entry| entry.path())
}

fn pid(process: &Path) -> Option<Pid> {
    Pid::from_raw(process.file_name()?.to_str()?.parse().ok()?)
}

/// `systemd --user`.
fn is_user_manager(process: &Path) -> bool {
    let words = fs::read(process.join("cmdline")).unwrap_or_default();
    let mut words = words.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    program.ends_with(b"/systemd") && words.any(|word| word == b"--user")
}

fn preloads(process: &Path, name: &OsStr) -> bool {
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| {
        entry.strip_prefix(b"LD_PRELOAD=").is_some_and(|value| {
            value.windows(name.len().max(1)).any(|part| part == name.as_bytes())
        })
    })
}

/// Has it the library loaded, and written its title over the environment that it was started with, as
/// servers do? Then that may have named the library, and be handed on from elsewhere.
fn hides(process: &Path, name: &OsStr) -> bool {
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    Environment::read(&environment).overwritten
        && seen::maps(process, |file| file == name.as_bytes()).unwrap_or(false)
}

/// Is one of the files the one that the process finds there? In a root of its own it finds another.
fn sees(process: &Path, files: &[PathBuf]) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    files.iter().any(|file| {
        let inside = process.join("root").join(file.strip_prefix("/").unwrap_or(file));
        identity(file).is_some_and(|own| identity(&inside) == Some(own))
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    /// A server that maps a file and writes a title over its environment.
    const SERVER: &str = "
import ctypes, mmap, sys
file = open(sys.argv[1], 'rb')
mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
fields = open('/proc/self/stat').read().rsplit(')', 1)[1].split()
start, end = int(fields[47]), int(fields[48])
ctypes.memset(start, ord('x'), end - start)
print(flush=True)
sys.stdin.read()
";

    #[test]
    fn a_server_that_wrote_over_its_environment_may_name_the_library_that_it_has_loaded() {
        let name = format!("libmptcpize-system-{}.so", std::process::id());
        let file = std::env::temp_dir().join(&name);
        fs::write(&file, "a library").expect("a scratch file");
        let mut server = Command::new("python3");
        server.args(["-c", SERVER]).arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = server.spawn().expect("python is here");
        let mut told = BufReader::new(server.stdout.take().expect("it is piped"));
        told.read_line(&mut String::new()).expect("it says that it is ready");
        let process = Path::new("/proc").join(server.id().to_string());
        let named = OsStr::new(&name);
        let found = (
            preloads(&process, named),
            hides(&process, named),
            hides(&process, OsStr::new("libmptcpize-system-other.so")),
            is_named(named, std::slice::from_ref(&file), true),
            is_named(named, std::slice::from_ref(&file), false),
        );
        drop(server.stdin.take());
        server.wait().expect("it is our child");
        fs::remove_file(&file).expect("it is ours");
        assert_eq!(found, (false, true, false, true, false));
    }
}

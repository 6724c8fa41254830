//! Who still names a library of ours in `LD_PRELOAD`, although no file says it any more: what runs
//! already hands its environment on to what it starts.
//!
//! Read from procfs. Not here: who has the library loaded, which holds the file whatever its name
//! ([`crate::host::processes`]).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::host::systemctl::Systemctl;

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
        || processes().any(|process| preloads(&process, name) && sees(&process, files))
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

/// Is one of the files the one that the process finds there? In a root of its own it finds another.
fn sees(process: &Path, files: &[PathBuf]) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    files.iter().any(|file| {
        let inside = process.join("root").join(file.strip_prefix("/").unwrap_or(file));
        identity(file).is_some_and(|own| identity(&inside) == Some(own))
    })
}

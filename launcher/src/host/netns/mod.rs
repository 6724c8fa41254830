//! Network namespaces: to work in one that is named, and to try something out in one that nobody
//! sees.
//!
//! Names are those of ip-netns(8). Only the network is entered: files, processes and users stay.

pub mod identity;
pub mod others;
pub mod sandbox;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::error::{Error, Exit, reason};
use crate::host::process::privilege;
use mptcp_netlink::KernelError;

/// Where ip-netns(8) keeps the namespaces that have a name.
const NAMED: &str = "/run/netns";

/// Moves this process into a network namespace: a name, a path, or the id of a process that is in
/// it. A name wins over a process of the same number.
///
/// It is this thread alone that moves, so call it before there are others, and open sockets after.
///
/// # Errors
/// 1 when there is no such namespace, 4 when it may not be entered.
pub fn enter(target: &str) -> Result<(), Error> {
    let path = find(target).ok_or_else(|| no_such(target))?;
    let cannot = |exit| Error::new(exit, format!("cannot enter the network namespace {target}"));
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => no_such(target),
        io::ErrorKind::PermissionDenied => {
            not_permitted(cannot(Exit::NotPermitted), "its process belongs to another user")
        }
        _ => cannot(Exit::Failed).why(reason(&error)),
    })?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|errno| {
        match errno {
            Errno::PERM => {
                not_permitted(cannot(Exit::NotPermitted), "the kernel wants CAP_SYS_ADMIN")
            }
            Errno::INVAL => cannot(Exit::Failed)
                .why(format!("{} is not a network namespace", path.display()))
                .fix("ip netns list"),
            other => cannot(Exit::Failed).why(reason(&other.into())),
        }
    })
}

/// The file that stands for a namespace; none for a word that can be neither of the three.
fn find(target: &str) -> Option<PathBuf> {
    if target.contains('/') {
        return Some(PathBuf::from(target));
    }
    let named = Path::new(NAMED).join(target);
    let is_number = !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_digit());
    match target {
        "" | "." | ".." => None,
        _ if is_number && !named.exists() => Some(format!("/proc/{target}/ns/net").into()),
        _ => Some(named),
    }
}

fn no_such(target: &str) -> Error {
    Error::new(Exit::Failed, format!("there is no network namespace {target:?}"))
        .why("neither a name of ip-netns(8), nor a path, nor a process")
        .fix("ip netns list")
}

fn not_permitted(error: Error, why: &str) -> Error {
    error.why(why).fix(privilege::advice())
}

/// Runs `work` in the network namespace of a process. This thread's stays what it is.
///
/// # Errors
/// The process has ended, or its namespace may not be entered.
pub fn of_process<T: Send>(pid: u32, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    let own = File::open("/proc/thread-self/ns/net")?;
    if namespace.metadata()?.ino() == own.metadata()?.ino() {
        return Ok(work());
    }
    let in_it = || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(work())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, in_it)?;
        // Panics abort, so a thread that has ended has an answer.
        thread.join().expect("the thread did not panic")
    })
}

/// Runs `work` in a network namespace of its own, which is empty and gone afterwards. This
/// thread's stays what it is.
///
/// # Errors
/// No namespace can be made, or what `work` says.
pub fn aside<T: Send>(
    work: impl FnOnce() -> Result<T, KernelError> + Send,
) -> Result<T, KernelError> {
    let in_a_new_one = || {
        isolate()?;
        work()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, in_a_new_one)?;
        // Panics abort, so a thread that has ended has an answer.
        thread.join().expect("the thread did not panic")
    })
}

#[allow(unsafe_code)]
fn isolate() -> Result<(), KernelError> {
    // SAFETY: a new network namespace leaves the table of descriptors shared; only
    // `UnshareFlags::FILES` would part it from other threads.
    Ok(unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(io::Error::from)?)
}

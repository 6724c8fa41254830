//! Commands in a mount namespace of their own: what they mount, the host never sees. And the one
//! that all commands of a test process share, where the tool as root writes to no place of the host.

#![allow(unsafe_code, reason = "unshare(2) has no safe binding, and what a child does before exec")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::thread;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use super::{Cmd, tool};

/// A script of bash in a private mount namespace, as root. /mnt is a fresh tmpfs with a copy of
/// the tool (`/mnt/mptcpize`), so that the script may cover any other place. The functions:
///
/// * `cover DIRECTORY OPTIONS`: an empty tmpfs over a directory of the host;
/// * `nobody COMMAND…`: as an ordinary user without groups;
/// * `bare COMMAND…`: with no environment but PATH and what stands before the command.
pub fn private(script: &str) -> Cmd {
    let prelude = "
        cover() { mount -t tmpfs -o \"${2:-mode=755}\" tmpfs \"$1\"; }
        nobody() {
            setpriv --reuid=65534 --regid=65534 --clear-groups -- \"$@\"
        }
        bare() { env -i PATH=\"$PATH\" \"$@\"; }
        cover /mnt
        cp \"$0\" /mnt/mptcpize
        cd /
    ";
    Cmd::line("unshare --mount --propagation private bash -euc")
        .arg(format!("{prelude}\n{script}"))
        .arg(tool::public_binary())
}

/// A script as by [`private`], with further arguments for it (`$1`, …).
pub fn private_with(script: &str, arguments: &[&Path]) -> Cmd {
    private(script).args(arguments)
}

/// Places that the tool uses as root without being told to: its cache, and the state of this boot.
const COVERED: [&str; 2] = ["/var/cache", "/run"];

/// The mount namespace of every command: the host's, with empty file systems in memory over
/// [`COVERED`].
pub(super) fn covered() -> BorrowedFd<'static> {
    static COMMON: OnceLock<OwnedFd> = OnceLock::new();
    let common = COMMON.get_or_init(|| {
        let made = thread::spawn(|| -> io::Result<OwnedFd> {
            // SAFETY: the thread gets a root and working directory of its own, and ends here.
            unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            for place in COVERED {
                mount("tests", place, "tmpfs", MountFlags::empty(), Some(c"mode=755"))?;
            }
            Ok(File::open("/proc/thread-self/ns/mnt")?.into())
        });
        let made = made.join().expect("the thread does not panic");
        made.unwrap_or_else(|error| panic!("no mount namespace: {error}\n  fix: run as root"))
    });
    common.as_fd()
}

/// Moves the calling process into it, and stays in the directory it is in. Async-signal-safe.
pub(super) fn enter_here(namespace: BorrowedFd<'_>) -> io::Result<()> {
    let mut directory = [0u8; libc::PATH_MAX as usize];
    // SAFETY: the pointer and the length are those of one array, which getcwd(3) terminates.
    if unsafe { libc::getcwd(directory.as_mut_ptr().cast(), directory.len()) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::Mount))?;
    // SAFETY: it was terminated above.
    match unsafe { libc::chdir(directory.as_ptr().cast()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

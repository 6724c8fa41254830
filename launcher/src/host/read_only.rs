//! A file system that nobody may write, as a container or a broken disk has it: the line that opens it again.
//!
//! Not here: /proc/sys, which a set-up does without where it must (`apply::transaction`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mptcpize_model::shell;

/// How the file system of `path` can be written again; nothing where `error` is about something else.
pub fn fix(path: &Path, error: &io::Error) -> Option<String> {
    if error.raw_os_error() != Some(libc::EROFS) {
        return None;
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let place = mount_of(&mounts, path).unwrap_or_else(|| PathBuf::from("/"));
    let place = shell::word(place.display());
    Some(format!("sudo mount -o remount,rw {place}    # in a container: give it a tmpfs there"))
}

/// The mount point below which a path is, in the text of /proc/PID/mountinfo (proc_pid_mountinfo(5)), where blanks
/// and backslashes are written in octal.
fn mount_of(mounts: &str, path: &Path) -> Option<PathBuf> {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(|point| {
        let plain = point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
        PathBuf::from(plain.replace("\\134", "\\"))
    });
    points.filter(|point| path.starts_with(point)).max_by_key(|point| point.as_os_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_above_a_path_is_named() {
        let mounts = "\
22 1 8:1 / / rw - ext4 /dev/vda rw
23 22 0:5 / /run ro,nosuid - tmpfs tmpfs ro
24 22 0:6 / /run/user/1000 rw - tmpfs tmpfs rw
25 22 0:6 / /runner rw - tmpfs tmpfs rw
26 22 0:6 / /run/a\\040b\\134 ro - tmpfs tmpfs ro
odd\n";
        for (path, point) in [
            ("/run/mptcpize/lock", "/run"),
            ("/run", "/run"),
            ("/run/a b\\/mptcpize", "/run/a b\\"),
            ("/run/user/1000/x", "/run/user/1000"),
            ("/etc/mptcpize-relays.toml", "/"),
        ] {
            assert_eq!(mount_of(mounts, Path::new(path)), Some(PathBuf::from(point)), "{path}");
        }
        assert_eq!(mount_of("", Path::new("/run")), None);
        let other = io::Error::from_raw_os_error(libc::EACCES);
        assert_eq!(fix(Path::new("/run"), &other), None);
        let error = io::Error::from_raw_os_error(libc::EROFS);
        let said = fix(Path::new("/"), &error).expect("it is about that");
        assert!(said.starts_with("sudo mount -o remount,rw /    # "), "{said}");
    }
}

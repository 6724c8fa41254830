//! Kernel parameters under /proc/sys, by their dotted names (sysctl(8)).

use std::fs;
use std::io;

use mptcpize_model::sysctl::file;

/// Longer than any parameter that is looked at.
const LONGEST: usize = 1024;

/// Its value without the line feed; `None` where this kernel or link does not have it.
pub fn read(key: &str) -> Option<String> {
    // procfs hands out a value whole, at offset 0 (proc_sys_call_handler, fs/proc/proc_sysctl.c): asking for
    // its length first and for more afterwards would be two system calls, dozens of times at each look.
    let mut value = [0; LONGEST];
    let length = io::Read::read(&mut fs::File::open(file(key)).ok()?, &mut value).ok()?;
    let value = std::str::from_utf8(value.get(..length)?).ok()?;
    Some(value.trim_end().to_owned())
}

/// Sets it.
///
/// # Errors
/// As of write(2): without privilege, read-only /proc/sys, a value that the kernel does not take.
pub fn write(key: &str, value: &str) -> io::Result<()> {
    // Not fs::write: that creates a file where there is none, and procfs says EACCES to that.
    let mut open = fs::OpenOptions::new().write(true).open(file(key))?;
    io::Write::write_all(&mut open, value.as_bytes())
}

/// Is /proc/sys mounted read-only, as container engines do it?
pub fn are_read_only() -> bool {
    rustix::fs::statvfs("/proc/sys")
        .is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

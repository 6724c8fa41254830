//! Sockets for a program that is started, as systemd hands them over (sd_listen_fds(3)): from descriptor 3
//! on, with `LISTEN_FDS`, `LISTEN_FDNAMES`, and `LISTEN_PID`, which only the child itself knows.

#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use rustix::io::fcntl_dupfd_cloexec;

/// `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;

/// What stands before the child's number.
const PID: &[u8] = b"LISTEN_PID=";

/// Digits of a process's number, at most (PID_MAX_LIMIT is 2^22).
const DIGITS: usize = 10;

/// Lets a command have these sockets. Its environment is then what it was given by name and nothing else.
/// Called last, for it executes the program.
///
/// # Errors
/// No descriptor is left; a word has a NUL.
pub fn hand_over(command: &mut Command, sockets: &[(&str, BorrowedFd<'_>)]) -> io::Result<()> {
    let count = RawFd::try_from(sockets.len()).map_err(io::Error::other)?;
    let end = FIRST + count;
    // Copies out of the way of the places that they are put to.
    let copies: Vec<_> = sockets
        .iter()
        .map(|(_, socket)| fcntl_dupfd_cloexec(socket, end))
        .collect::<Result<_, _>>()?;
    // By a pipe that is opened after this std hears whether the program was executed: it must not be at
    // one of those places.
    let mut taken = Vec::new();
    while let Some(file) = Some(File::open("/dev/null")?).filter(|file| file.as_raw_fd() < end) {
        taken.push(file);
    }
    let program = terminated(command.get_program())?;
    let mut words = vec![program.clone()];
    for argument in command.get_args() {
        words.push(terminated(argument)?);
    }
    let mut environment = Vec::new();
    for (name, value) in command.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        environment.push([name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
    }
    let names: Vec<_> = sockets.iter().map(|(name, _)| *name).collect();
    environment.push(format!("LISTEN_FDS={count}\0").into_bytes());
    environment.push(format!("LISTEN_FDNAMES={}\0", names.join(":")).into_bytes());
    // Last, to be filled in by the child.
    environment.push([PID, &[b'0'; DIGITS], b"\0"].concat());
    let mut handed = Handed { copies, taken, program, words, environment, pointers: Vec::new() };
    let pointers = handed.words.len() + handed.environment.len() + 2;
    handed.pointers = vec![0; pointers];
    // SAFETY: what runs between fork and exec makes system calls alone, allocates nothing and touches no
    // lock.
    unsafe { command.pre_exec(move || handed.execute()) };
    Ok(())
}

fn terminated(word: &OsStr) -> io::Result<CString> {
    CString::new(word.as_bytes()).map_err(io::Error::from)
}

/// All that the child needs, made before fork(2).
struct Handed {
    copies: Vec<std::os::fd::OwnedFd>,
    #[expect(dead_code, reason = "held open until the child has been made")]
    taken: Vec<File>,
    program: CString,
    words: Vec<CString>,
    environment: Vec<Vec<u8>>,
    /// Room for the addresses of words and environment; numbers, for addresses are not `Send`.
    pointers: Vec<usize>,
}

impl Handed {
    /// Async-signal-safe.
    fn execute(&mut self) -> io::Result<()> {
        for (place, copy) in (FIRST..).zip(&self.copies) {
            // SAFETY: both are numbers; the copy stays out of the places, and the new one has no
            // close-on-exec.
            if unsafe { libc::dup2(copy.as_raw_fd(), place) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // SAFETY: takes nothing and cannot fail.
        let mut left = unsafe { libc::getpid() }.unsigned_abs();
        let number = self.environment.last_mut().and_then(|text| text.get_mut(PID.len()..));
        for digit in number.into_iter().flatten().rev().skip(1) {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
        }
        let words = self.words.iter().map(|word| word.as_ptr().expose_provenance());
        let environment = self.environment.iter().map(|text| text.as_ptr().expose_provenance());
        let all = words.chain([0]).chain(environment).chain([0]);
        for (place, address) in self.pointers.iter_mut().zip(all) {
            *place = address;
        }
        let (words, environment) = self.pointers.split_at(self.words.len() + 1);
        // SAFETY: both arrays hold addresses of terminated texts that live in `self`, and end with 0.
        unsafe {
            libc::execve(
                self.program.as_ptr(),
                ptr::from_ref(words).cast(),
                ptr::from_ref(environment).cast(),
            );
        }
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_program_gets_its_sockets_their_names_and_its_own_number() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is up");
        let others = TcpListener::bind("127.0.0.1:0").expect("loopback is up");
        let script = "[ \"$LISTEN_PID\" -eq $$ ] && env | grep -v -e ^PWD -e ^_ -e ^SHLVL -e PID && \
                      readlink /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env_clear().env("PATH", "/usr/bin:/bin");
        let sockets = [("redirect", listener.as_fd()), ("proxy", others.as_fd())];
        hand_over(&mut command, &sockets).expect("there are descriptors left");
        let done = command.output().expect("there is a shell");
        let inode = |fd: i32| {
            let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("it is open");
            link.display().to_string()
        };
        let mut lines: Vec<_> =
            String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        let mut expected = vec![
            "LISTEN_FDNAMES=redirect:proxy".to_owned(),
            "LISTEN_FDS=2".to_owned(),
            "PATH=/usr/bin:/bin".to_owned(),
            inode(listener.as_raw_fd()),
            inode(others.as_raw_fd()),
        ];
        expected.sort();
        assert_eq!(lines, expected, "{done:?}");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_of_its_start() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is up");
        let mut command = Command::new("/no/such/program");
        hand_over(&mut command, &[("one", listener.as_fd())]).expect("there are descriptors left");
        let error = command.spawn().expect_err("it cannot be executed");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

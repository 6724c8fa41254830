//! The self-test of `enable --system`: the programs that a host needs to boot and to be mended are
//! run in a view of the host where the change is made already. Whatever ends or speaks otherwise
//! than without the change refuses it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Exit};
use crate::host::netns::sandbox::{self, Outcome, Trial, View};
use crate::host::observe::kernel::MptcpSocket;
use mptcpize_model::system::System;

/// What is tried out: the change of the host, as programs would meet it.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Candidate {
    /// A file of /etc with its new content.
    pub(in crate::commands) file: Option<(PathBuf, Vec<u8>)>,
    /// What every program finds in its environment.
    pub(in crate::commands) environment: Vec<(String, OsString)>,
    /// The library, as the line or the variable names it.
    pub(in crate::commands) library: OsString,
}

/// Where a program is, its arguments, and whether an ordinary user runs it: set-user-ID programs
/// only then gain privilege, and read the library as somebody who has none.
type Row = (&'static str, &'static [&'static str], bool);

/// Programs that print the same each time, need no network and change nothing. What the host does
/// not have is passed over. For each C library: itself, which is a program too.
const PROGRAMS: [Row; 44] = [
    ("/bin/sh", &["-c", "exit 7"], false),
    ("/bin/sh", &["-c", "/bin/true && /bin/echo said"], true),
    ("/bin/true", &[], false),
    ("/bin/false", &[], true),
    ("/bin/ls", &["/"], false),
    ("/bin/cat", &["/etc/passwd"], true),
    ("/bin/uname", &["-s"], false),
    ("/usr/bin/env", &[], false),
    // Loaders, and the libraries that they load.
    ("/lib64/ld-linux-x86-64.so.2", &["/bin/true"], false),
    ("/lib64/ld-linux-x86-64.so.2", &["--verify", "/bin/true"], true),
    ("/lib/ld-linux.so.2", &["--version"], false),
    ("/lib/ld-linux-aarch64.so.1", &["/bin/true"], false),
    ("/lib/ld-musl-x86_64.so.1", &[], false),
    ("/lib/x86_64-linux-gnu/libc.so.6", &[], true),
    ("/lib/aarch64-linux-gnu/libc.so.6", &[], true),
    ("/lib64/libc.so.6", &[], true),
    ("/lib/libc.so.6", &[], true),
    ("/lib/i386-linux-gnu/libc.so.6", &[], true),
    ("/lib32/libc.so.6", &[], true),
    // What a boot starts.
    ("/lib/systemd/systemd", &["--version"], false),
    ("/lib/systemd/systemd-udevd", &["--version"], false),
    ("/bin/systemctl", &["--version"], false),
    ("/bin/journalctl", &["--version"], true),
    ("/bin/udevadm", &["--version"], false),
    ("/usr/bin/dbus-daemon", &["--version"], true),
    ("/sbin/agetty", &["--version"], false),
    ("/sbin/modprobe", &["--version"], false),
    ("/sbin/fsck", &["-V"], false),
    ("/sbin/ldconfig", &["--version"], false),
    ("/bin/busybox", &["true"], false),
    ("/bin/ip", &["-V"], true),
    ("/bin/login", &["--help"], false),
    // What gains privilege.
    ("/bin/mount", &["--version"], true),
    ("/bin/su", &["--version"], true),
    ("/usr/bin/sudo", &["-V"], true),
    ("/usr/bin/passwd", &["--help"], true),
    ("/usr/bin/newgrp", &["--version"], true),
    // What mends a host.
    ("/usr/bin/dpkg", &["--version"], false),
    ("/usr/bin/apt-get", &["--version"], true),
    ("/usr/bin/rpm", &["--version"], false),
    ("/usr/bin/ssh", &["-V"], true),
    ("/usr/sbin/sshd", &["-V"], false),
    ("/usr/bin/perl", &["-e", "exit 3"], true),
    ("/usr/bin/python3", &["-c", "raise SystemExit(3)"], true),
];

/// Programs that can be told to make a TCP socket. It goes nowhere: the view has no network.
const SOCKETS: [Row; 3] = [
    ("/bin/bash", &["-c", "exec 3<>/dev/tcp/192.0.2.1/9"], true),
    ("/usr/bin/perl", &["-e", "socket(my $s, 2, 1, 6) or exit 4"], true),
    ("/usr/bin/python3", &["-c", "import socket; socket.socket()"], true),
];

/// Where runtimes of AddressSanitizer are. Programs that are built with them end at once where another
/// library is the first, and no host has such a program for us; but `true` becomes one by a preload.
const SANITIZERS: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/libasan.so.8",
    "/usr/lib/x86_64-linux-gnu/libasan.so.6",
    "/usr/lib/aarch64-linux-gnu/libasan.so.8",
    "/usr/lib64/libasan.so.8",
];

/// Tries a change; gives back how many commands were run with it.
///
/// # Errors
/// 1: a program ends or speaks otherwise with it, or no socket is upgraded; 4: not permitted.
pub(in crate::commands) fn self_test(
    root: &Path,
    candidate: &Candidate,
    excluded: &System,
) -> Result<usize, Error> {
    sandbox::in_a_view(root, |view| {
        let trials: Vec<Trial> = PROGRAMS.iter().filter_map(trial).collect();
        let before: Vec<Outcome> = trials.iter().map(|trial| view.run(trial)).collect();
        // Left out where it cannot be had: it wants more memory than an image's programs get.
        let sanitizers: Vec<&str> = SANITIZERS
            .into_iter()
            .filter(|runtime| Path::new(runtime).is_file())
            .filter(|runtime| view.run(&sanitized(runtime.into())) == fine())
            .collect();
        if let Some((path, bytes)) = &candidate.file {
            view.put(path, bytes)
                .map_err(|error| Error::new(Exit::Failed, "cannot try it out first").why(error))?;
        }
        for (trial, before) in trials.iter().zip(&before) {
            let mut changed = trial.clone();
            changed.environment.extend(candidate.environment.iter().cloned());
            let after = view.run(&changed);
            // env(1) prints what was added.
            let spoke = trial.program.ends_with("env") && !candidate.environment.is_empty();
            if let Some(difference) = difference(before, &after, spoke) {
                return Err(refused(&words(trial), &difference));
            }
        }
        socket(view, candidate, excluded)?;
        for runtime in &sanitizers {
            let mut preload = candidate.library.clone();
            preload.push(format!(":{runtime}"));
            let trial = sanitized(preload);
            if let Some(difference) = difference(&fine(), &view.run(&trial), false) {
                return Err(refused(&format!("{} with {runtime}", words(&trial)), &difference));
            }
        }
        Ok(trials.len() + sanitizers.len() + 1)
    })
}

/// The command of a row, if the host has the program.
fn trial((program, arguments, by_nobody): &Row) -> Option<Trial> {
    let program = PathBuf::from(program);
    program.is_file().then(|| Trial {
        program,
        arguments: arguments.iter().map(OsString::from).collect(),
        by_nobody: *by_nobody,
        environment: Vec::new(),
    })
}

/// A program that is under AddressSanitizer by this preload.
fn sanitized(preload: OsString) -> Trial {
    // What is looked at is its start.
    let no_leaks = (String::from("ASAN_OPTIONS"), OsString::from("detect_leaks=0"));
    Trial {
        program: PathBuf::from("/bin/true"),
        arguments: Vec::new(),
        by_nobody: false,
        environment: vec![(String::from("LD_PRELOAD"), preload), no_leaks],
    }
}

fn fine() -> Outcome {
    Outcome { end: String::from("exit 0"), stdout: String::new(), stderr: String::new() }
}

fn words(trial: &Trial) -> String {
    let arguments = trial.arguments.iter().map(|argument| argument.to_string_lossy());
    let program = trial.program.to_string_lossy();
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// What a command does otherwise than before, in words.
fn difference(before: &Outcome, after: &Outcome, spoke: bool) -> Option<String> {
    let new = |before: &str, after: &str| {
        after.lines().find(|line| !before.contains(line)).map(str::to_owned)
    };
    // Fewer words are no harm: ld.so may have complained about something else before.
    if let Some(line) = new(&before.stderr, &after.stderr) {
        return Some(line);
    }
    if before.end != after.end {
        return Some(format!("{} instead of {}", after.end, before.end));
    }
    if before.stdout != after.stdout && !spoke {
        let line = new(&before.stdout, &after.stdout).unwrap_or_else(|| String::from("nothing"));
        return Some(format!("it prints something else: {line}"));
    }
    None
}

fn refused(command: &str, difference: &str) -> Error {
    Error::new(Exit::Failed, "the self-test failed, nothing was changed")
        .why(format!("{command}: {difference}"))
        .fix("reinstall mptcpize; to see it in one program: mptcpize run -d CMD")
}

/// A socket must come out as MPTCP; without MPTCP in the kernel, as TCP, and the library must say so.
fn socket(view: &mut View, candidate: &Candidate, excluded: &System) -> Result<(), Error> {
    let usable = |row: &&Row| {
        let name = Path::new(row.0).file_name().unwrap_or_default().to_string_lossy();
        let listed = |entry: &String| entry == row.0 || *entry == name;
        !excluded.exclude_programs.iter().any(listed)
    };
    let Some(mut trial) = SOCKETS.iter().filter(usable).find_map(trial) else {
        return Err(Error::new(Exit::Failed, "cannot try it out first")
            .why("none of bash, perl and python3 is here to make a socket")
            .fix("install bash"));
    };
    trial.environment.extend(candidate.environment.iter().cloned());
    trial.environment.push((String::from("MPTCPIZE_DEBUG"), OsString::from("1")));
    let mut outcome = view.run(&trial);
    let speaks = |outcome: &Outcome| outcome.stderr.contains("mptcpize: ");
    // The ordinary user may be left out; root then is not, as a rule.
    if !speaks(&outcome) {
        trial.by_nobody = false;
        outcome = view.run(&trial);
    }
    // Nothing but the settings could count in again whom they leave out.
    let left_out = !excluded.exclude_users.is_empty() || !excluded.exclude_units.is_empty();
    if left_out && !speaks(&outcome) && !outcome.stderr.contains("preload") {
        return Ok(());
    }
    let traced = outcome.stderr.lines().find(|line| line.starts_with("mptcpize: "));
    let as_wished = |line: &&str| {
        line.ends_with(" MPTCP")
            || (line.contains(" TCP: ") && MptcpSocket::probe() == MptcpSocket::Absent)
    };
    match traced {
        Some(line) if as_wished(&line) => Ok(()),
        Some(line) => Err(refused(&words(&trial), line)),
        None => {
            let said = outcome.stderr.lines().next().unwrap_or("the library is not in it");
            let why = format!("its socket is not upgraded: {said} ({})", outcome.end);
            Err(refused(&words(&trial), &why))
        }
    }
}

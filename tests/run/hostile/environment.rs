//! The environment of a program that has more privilege than whoever filled it: what it names is
//! neither written, nor waited for, nor obeyed.
//!
//! Here root runs the programs, as after sudo(8) or below a set-user-ID program. A new attack is a
//! row of [`paths`], or of the variables in `the_library_of_the_host_…`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

use mptcpize::inject::library::system_copy;

use crate::support::cc::{self, Build};
use crate::support::scratch::NOBODY;
use crate::support::tool::{binary, shim};
use crate::support::{Cmd, scratch, tool};

/// Places that a trace must not be written to, each with why not.
fn paths() -> Vec<(PathBuf, &'static str)> {
    let directory = scratch("paths");
    let path = |name: &str| directory.join(name);
    fs::write(path("victim"), "").expect("a scratch file can be written");
    symlink(path("victim"), path("link")).expect("the name is new");
    symlink(path("unborn"), path("dangling")).expect("the name is new");
    Cmd::new("mkfifo").arg(path("fifo")).run().silent();
    fs::write(path("foreign"), "").expect("a scratch file can be written");
    chown(path("foreign"), Some(NOBODY), None).expect("the tests run as root");
    vec![
        (path("link"), "it is a symbolic link"),
        (path("dangling"), "it is a symbolic link"),
        (path("fifo"), "it is no regular file"),
        ("/dev/null".into(), "it is no regular file"),
        (path("foreign"), "it belongs to another user"),
    ]
}

/// What an attacker would have gained there.
fn assert_nothing_came(path: &Path) {
    let target = fs::read_link(path).unwrap_or(path.to_owned());
    let regular = fs::metadata(&target).is_ok_and(|found| found.is_file());
    assert!(!target.ends_with("unborn") || !target.exists(), "{} was made", target.display());
    assert!(!regular || fs::read(&target).is_ok_and(|bytes| bytes.is_empty()), "{target:?}");
}

/// tests/c/protocol.c with a library preloaded and a variable set.
fn preloaded(library: &Path, name: &str, value: impl AsRef<OsStr>) -> Cmd {
    let mut variable = std::ffi::OsString::from(format!("{name}="));
    variable.push(value);
    let command = Cmd::new("env").arg(format!("LD_PRELOAD={}", library.display())).arg(variable);
    command.arg(cc::c("protocol", Build::Plain))
}

/// The library for every program of a host, with these settings.
fn for_the_host(settings: &[&str]) -> PathBuf {
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    let bytes = system_copy::with_settings(system_copy::BYTES, &settings);
    let path = scratch("host").join("libmptcpize.so");
    crate::support::scratch::file(&path, bytes.expect("there is room"), 0o644)
}

#[test]
fn the_library_of_the_host_takes_two_words_from_the_environment_and_no_more() {
    let directory = scratch("new");
    let plain = for_the_host(&[]);
    // The attacker's half: no file, whatever it is.
    let new = directory.join("nologin");
    let made = paths().into_iter().map(|(path, _)| path).chain([new.clone()]);
    for path in made {
        let done = preloaded(&plain, "MPTCPIZE_DEBUG", &path).run().silent();
        assert_eq!(done.stdout, "262\n", "{}", path.display());
        assert_nothing_came(&path);
    }
    assert!(!new.exists());
    // No list, and no policy, and no end to what the administrator has said.
    let left_out = for_the_host(&["MPTCPIZE_NOT_USERS=0"]);
    let table = [
        (&left_out, "MPTCPIZE_NOT_USERS", "-", "6\n"),
        (&left_out, "MPTCPIZE", "on", "6\n"),
        (&plain, "MPTCPIZE_NOT_USERS", "0", "262\n"),
        (&plain, "MPTCPIZE_NOT_PROGRAMS", "protocol", "262\n"),
        (&plain, "MPTCPIZE_POLICY", "pprotocol/", "262\n"),
        (&plain, "MPTCPIZE_DEBUG", "2", "262\n"),
    ];
    for (library, name, value, expected) in table {
        let done = preloaded(library, name, value).run().silent();
        assert_eq!(done.stdout, expected, "{name}={value}");
    }
    // The innocent half.
    for value in ["off", "0"] {
        assert_eq!(preloaded(&plain, "MPTCPIZE", value).run().silent().stdout, "6\n");
    }
    let done = preloaded(&plain, "MPTCPIZE_DEBUG", "1").run().ok();
    assert!(done.stderr.ends_with(" = 3 MPTCP\n"), "{done}");
    let policy = for_the_host(&["MPTCPIZE_POLICY=pprotocol/"]);
    assert_eq!(preloaded(&policy, "MPTCPIZE_POLICY", "/").run().silent().stdout, "6\n");
}

#[test]
fn a_trace_goes_to_a_regular_file_of_the_user_or_nowhere() {
    for (path, why) in paths() {
        let done = preloaded(shim(), "MPTCPIZE_DEBUG", &path).run().silent();
        assert_eq!(done.stdout, "262\n", "{}", path.display());
        assert_nothing_came(&path);
        for build in [Build::Plain, Build::Static] {
            let program = cc::c("protocol", build);
            let done = tool(&["run", &format!("--debug={}", path.display())]).arg(program).run();
            let text = format!(
                "error: cannot write the trace to {}\n  why: {why}\n  \
                 fix: name another file, or use -d for standard error\n",
                path.display()
            );
            assert_eq!(done.says(1, &text).stdout, "", "nothing was run");
            assert_nothing_came(&path);
        }
    }
    // A reader of the FIFO changes nothing.
    let (fifo, _) = paths().into_iter().find(|(path, _)| path.ends_with("fifo")).expect("a FIFO");
    let reader = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let _reader = rustix::fs::open(&fifo, reader, rustix::fs::Mode::empty()).expect("a FIFO");
    assert_eq!(preloaded(shim(), "MPTCPIZE_DEBUG", &fifo).run().silent().stdout, "262\n");
    let done = tool(&["run", &format!("--debug={}", fifo.display()), "true"]).run();
    assert!(done.code() == 1 && done.stderr.contains("it is no regular file"), "{done}");
    // The innocent half: one's own, new or not, also when it is an ordinary user's.
    let own = scratch("own").join("log");
    for lines in 1..=2 {
        let done = tool(&["run", &format!("--debug={}", own.display())]);
        done.arg(cc::c("protocol", Build::Plain)).run().silent();
        let text = fs::read_to_string(&own).expect("it is there");
        assert_eq!(text.lines().count(), lines, "{text}");
    }
}

#[test]
fn root_writes_to_no_file_that_an_inherited_environment_names() {
    let file = scratch("inherited").join("nologin");
    let note = "mptcpize: root takes no MPTCPIZE_DEBUG=FILE from the environment; --debug=FILE names \
                one\n";
    for via in ["preload", "seccomp", "none"] {
        let command = Cmd::new(binary()).args(["run", "--via", via, "sh", "-c", "env; \"$0\"; :"]);
        let done = command.arg(cc::c("protocol", Build::Plain)).env("MPTCPIZE_DEBUG", &file).run();
        assert_eq!((done.code(), done.stderr.as_str()), (0, note), "{via}: {done}");
        assert!(!done.stdout.contains("MPTCPIZE_DEBUG") && !file.exists(), "{via}: {done}");
    }
    // The innocent half: standard error, and an ordinary user's own choice.
    let command = tool(&["run"]).arg(cc::c("protocol", Build::Plain)).env("MPTCPIZE_DEBUG", "1");
    assert!(command.run().ok().stderr.ends_with(" MPTCP\n"));
    let home = crate::support::scratch::of_nobody(scratch("home"));
    let command = Cmd::new(crate::support::tool::public_binary()).arg("run");
    let command = command.arg(cc::c("protocol", Build::Plain)).env("XDG_CACHE_HOME", &home);
    command.env("MPTCPIZE_DEBUG", home.join("log")).by_nobody().run().silent();
    assert!(fs::read_to_string(home.join("log")).is_ok_and(|text| text.ends_with(" MPTCP\n")));
}

#[test]
fn a_name_in_a_record_is_plain_text() {
    let hostile = "x\u{1b}[2J\n\u{9b}y";
    for build in [Build::Plain, Build::Static] {
        let program = scratch("name").join(hostile);
        crate::support::scratch::copy(&cc::c("protocol", build), &program, 0o755);
        let done = tool(&["run", "-d", "--"]).arg(&program).run().ok();
        let record = "mptcpize: x\\x1b[2J\\x0a\\xc2\\x9by[";
        assert!(done.stderr.starts_with(record), "{build:?}: {}", done.stderr.escape_debug());
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr.escape_debug());
    }
}

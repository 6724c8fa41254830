//! `mptcpize run` as a way to start a program: the command line, what the program inherits, and
//! how it is found and reported when it cannot be started.
//!
//! Not here: which programs the preload reaches (reach.rs), where the library lies (library.rs).

use std::fs;
use std::path::Path;

use crate::support::cc::{self, Build};
use crate::support::{Cmd, Launch, scratch, tool};

/// Prints each argument in brackets.
const SHOW: [&str; 2] = ["printf", "[%s]"];

#[test]
fn command_lines_of_the_c_mptcpize_mean_the_same() {
    let table: [(&[&str], &[&str], &str); 10] = [
        (&[], &["x"], "[x]"),
        (&["-d"], &["x", "y"], "[x][y]"),
        (&["--debug"], &["x"], "[x]"),
        (&["--"], &["x"], "[x]"),
        (&["-d", "--"], &["x"], "[x]"),
        (&["--strict"], &["x"], "[x]"),
        (
            &[],
            &["-d", "--debug", "--strict", "-h", "--help"],
            "[-d][--debug][--strict][-h][--help]",
        ),
        (&["-d"], &["-d"], "[-d]"),
        (&[], &["--", "-V", "run", ""], "[--][-V][run][]"),
        (&[], &["a b", "$HOME", "*"], "[a b][$HOME][*]"),
    ];
    for (options, arguments, expected) in table {
        let command = tool(&["run"]).args(options).args(SHOW).args(arguments);
        assert_eq!(command.run().silent().stdout, expected, "{options:?} {arguments:?}");
    }
}

#[test]
fn arguments_that_are_no_text_arrive_byte_for_byte() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe\x01");
    let done = tool(&["run", "sh", "-c", "printf %s \"$1\" | od -An -tx1", "sh"]).arg(odd).run();
    assert_eq!(done.silent().stdout, " ff fe 01\n");
}

/// What `run` adds to a program's environment, as `name=value` lines.
fn added(command: Cmd) -> Vec<String> {
    let printed = command.run().silent().stdout;
    printed
        .lines()
        .filter(|line| line.starts_with("LD_PRELOAD=") || line.starts_with("GODEBUG="))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_preload_comes_once_before_what_is_there() {
    let other = cc::c("other", Build::Library).display().to_string();
    let binary = crate::support::tool::binary().display().to_string();
    let alone = added(tool(&["run", "env"]));
    let [ours, godebug] = &alone[..] else { panic!("two variables: {alone:?}") };
    let (ours, godebug) = match ours.strip_prefix("LD_PRELOAD=") {
        Some(path) => (path, godebug),
        None => (godebug.strip_prefix("LD_PRELOAD=").expect("one is the preload"), ours),
    };
    assert_eq!(godebug, "GODEBUG=multipathtcp=1");
    // Looked at from where commands are: root's cache is in memory there.
    Cmd::new("test").args(["-f", ours]).run().silent();
    assert!(ours.ends_with(".so"), "{ours}");
    let table = [
        ("alone, nested", "", &["run", &binary, "run", "env"][..], ours.to_owned()),
        ("theirs", &other, &["run", "env"], format!("{ours}:{other}")),
        ("theirs, nested", &other, &["run", &binary, "run", "env"], format!("{ours}:{other}")),
        (
            "separated by a blank",
            &format!("{other} {other}"),
            &["run", "env"],
            format!("{ours}:{other}:{other}"),
        ),
    ];
    for (name, preload, arguments, expected) in table {
        let command = tool(arguments).env("LD_PRELOAD", preload);
        assert!(added(command).contains(&format!("LD_PRELOAD={expected}")), "{name}");
    }
}

#[test]
fn godebug_is_merged() {
    let table = [
        ("", "multipathtcp=1"),
        ("gctrace=1", "gctrace=1,multipathtcp=1"),
        ("multipathtcp=0", "multipathtcp=1"),
        ("multipathtcp=2,x=y", "multipathtcp=2,x=y"),
    ];
    for (before, after) in table {
        let command = tool(&["run", "env"]).env("GODEBUG", before);
        assert!(added(command).contains(&format!("GODEBUG={after}")), "{before}");
    }
}

/// What tests/c/state.c writes, started natively or by `run`, from the same unusual state; the
/// process id apart, and without the two variables that `run` adds.
fn state(launch: Launch, how: &[&str], directory: &Path) -> String {
    // Names through PATH, so that both ways start with the same words.
    let path = format!("{}:{}", directory.display(), crate::support::process::PATH);
    let mut command = Cmd::new(cc::c("with", Build::Plain)).args(how).arg("--");
    if launch == Launch::Tool {
        command = command.arg(crate::support::tool::binary()).args(["mptcpize", "run", "state"]);
    } else {
        command = command.args(["state", "state"]);
    }
    let running = command.args(["dump", "-x"]).env("PATH", path).cwd(directory).start();
    let pid = format!("pid {}", running.pid());
    running.finish().silent();
    let dump = directory.join("dump");
    let text = fs::read_to_string(&dump).expect("state writes it");
    fs::remove_file(&dump).expect("it is there");
    assert_eq!(text.lines().next(), Some(pid.as_str()), "{launch:?} {how:?}: the process changed");
    let same = |line: &&str| {
        !line.starts_with("environment LD_PRELOAD=") && !line.starts_with("environment GODEBUG=")
    };
    text.lines().skip(1).filter(same).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn the_program_inherits_what_it_would_natively() {
    let directory = scratch("state");
    crate::support::scratch::copy(&cc::c("state", Build::Plain), &directory.join("state"), 0o755);
    let table: [(&str, &[&str], &str); 16] = [
        ("the usual", &[], "fd 2 "),
        ("standard input closed", &["-c", "0"], "fd 1 "),
        ("standard output closed", &["-c", "1"], "fd 2 "),
        ("standard error closed", &["-c", "2"], "fd 1 "),
        ("all three closed", &["-c", "0", "-c", "1", "-c", "2"], "Threads:\t1"),
        ("further descriptors", &["-o", "3", "-o", "7", "-o", "100"], "fd 100 "),
        ("gaps and further ones", &["-c", "0", "-o", "4"], "fd 4 "),
        ("SIGPIPE ignored", &["-i", "13"], "SigIgn:\t0000000000001000"),
        ("SIGPIPE at its default", &["-d", "13"], "SigIgn:\t0000000000000000"),
        // All but SIGKILL and SIGSTOP.
        ("every signal ignored", &["-I"], "SigIgn:\tfffffffffffbfeff"),
        ("SIGCHLD ignored", &["-i", "17"], "SigIgn:\t0000000000010000"),
        ("signals blocked", &["-b", "10", "-b", "64"], "SigBlk:\t8000000000000200"),
        ("a signal pending", &["-p", "12"], "SigPnd:\t0000000000000800"),
        (
            "entries without =",
            &["-e", "broken", "-e", "=odd", "-e", "A=1", "-e", "A=2"],
            "environment broken\nenvironment =odd\nenvironment A=1\nenvironment A=2\n",
        ),
        ("an empty entry", &["-e", "", "-e", "LAST=1"], "environment \nenvironment LAST=1\n"),
        ("bytes that are no text", &["-e", "X=\u{1}\u{7f}\t"], "environment X=\u{1}\u{7f}\t"),
    ];
    for (name, how, witness) in table {
        let native = state(Launch::Native, how, &directory);
        assert!(native.contains(witness), "{name}: the state came about: {native}");
        assert_eq!(state(Launch::Tool, how, &directory), native, "{name}");
    }
}

#[test]
fn an_empty_environment_gets_nothing_but_the_two_variables() {
    let program = cc::c("state", Build::Plain);
    let directory = scratch("empty");
    // Somewhere to put the library is still needed; for root that is /var/cache.
    let cache =
        format!("XDG_CACHE_HOME={}", crate::support::scratch::root().join("cache").display());
    let command = Cmd::new(cc::c("with", Build::Plain)).args(["-E", "-e", &cache, "--"]);
    let command =
        command.arg(crate::support::tool::binary()).args(["mptcpize", "run"]).arg(program);
    command.arg("dump").cwd(&directory).run().silent();
    let text = fs::read_to_string(directory.join("dump")).expect("state writes it");
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("environment ")?.split('=').next())
        .collect();
    assert_eq!(names, ["XDG_CACHE_HOME", "GODEBUG", "LD_PRELOAD"]);
}

#[test]
fn the_exit_status_of_the_program_is_passed_on() {
    for code in [0, 1, 2, 5, 42, 126, 127, 255] {
        let done = tool(&["run", "sh", "-c", &format!("exit {code}")]).run();
        done.says(code, "");
    }
    assert_eq!(tool(&["run", "sh", "-c", "kill -TERM $$"]).run().says(143, "").stdout, "");
}

#[test]
fn wrong_usage_is_exit_2_and_names_the_right_one() {
    let usage = "mptcpize run [-d | --debug[=FILE]] [--strict] [--follow] [-v] [--via WAY] \
                 [--relay RELAY] [--explain [-j]] [--setup | --no-setup] [POLICY] [--] CMD";
    for arguments in [&["run"][..], &["run", "-d"], &["run", "--"]] {
        let done = tool(arguments).run();
        assert!(done.code() == 2 && done.stdout.is_empty(), "{arguments:?}: {done}");
        assert!(done.stderr.contains(usage), "{arguments:?}: {done}");
    }
    tool(&["run", "--bogus", "true"]).run().says(
        2,
        "error: mptcpize run has no option --bogus\n  why: unexpected argument '--bogus'\n  \
         fix: mptcpize run --help\n",
    );
    assert_eq!(tool(&["bogus"]).run().code(), 2);
    let help = tool(&["run", "--help"]).run().silent();
    // Help is broken into lines of the reader's width.
    let words = help.stdout.split_whitespace().collect::<Vec<&str>>().join(" ");
    assert!(words.contains(usage) && words.contains("126 CMD cannot be executed"), "{help}");
}

#[test]
fn what_cannot_be_executed_is_said_with_the_codes_of_env() {
    let directory = scratch("broken");
    let script = |name: &str, text: &str, mode| {
        crate::support::scratch::file(&directory.join(name), text, mode);
    };
    script("plain", "no program\n", 0o644);
    script("no-interpreter", "#!/nonexistent/sh\n", 0o755);
    script("carriage-return", "#!/bin/sh\r\necho\n", 0o755);
    script("loop", &format!("#!{}\n", directory.join("loop").display()), 0o755);
    Cmd::line("mkfifo fifo").cwd(&directory).run().silent();
    fs::create_dir(directory.join("sub")).expect("the name is new");
    crate::support::scratch::copy(
        &cc::c("protocol", Build::NoLoader),
        &directory.join("no-loader"),
        0o755,
    );

    let table = [
        (
            "nosuchprogram",
            127,
            "error: nosuchprogram: command not found\n  \
            why: no directory of PATH has it\n  fix: check the name and PATH\n",
        ),
        ("", 127, "error: : command not found\n  why: the name is empty\n"),
        ("./nosuch", 127, "error: cannot run ./nosuch\n  why: no such file or directory\n"),
        ("./plain/x", 126, "error: cannot run ./plain/x\n  why: not a directory\n"),
        ("./plain", 126, "error: cannot run ./plain\n  why: permission denied\n"),
        ("./sub", 126, "error: cannot run ./sub\n  why: permission denied\n"),
        ("./fifo", 126, "error: cannot run ./fifo\n  why: permission denied\n"),
        (
            "./loop",
            126,
            "error: cannot run ./loop\n  \
            why: too many levels of symbolic links\n",
        ),
        (
            "./no-interpreter",
            127,
            "error: cannot run ./no-interpreter\n  \
            why: ./no-interpreter needs the interpreter /nonexistent/sh, which does not exist\n  \
            fix: install the package that has it, or correct the first line of the script\n",
        ),
        (
            "./carriage-return",
            127,
            "error: cannot run ./carriage-return\n  \
            why: ./carriage-return needs the interpreter /bin/sh\\u000d, which does not exist\n  \
            fix: install the package that has it, or correct the first line of the script\n",
        ),
    ];
    for (name, code, text) in table {
        let done = tool(&["run", name]).cwd(&directory).run().says(code, text);
        assert_eq!(done.stdout, "", "{name}");
        // env(1) knows the same codes.
        let native = Cmd::new("env").arg("--").arg(name).cwd(&directory).run();
        assert_eq!(native.code(), code, "{name}: {native}");
    }
}

#[test]
fn a_missing_loader_is_the_one_thing_that_is_said() {
    let program = cc::c("protocol", Build::NoLoader);
    let text = format!(
        "error: cannot run {0}\n  why: {0} needs the loader {1}, which does not exist\n  \
         fix: install the package that has it\n",
        program.display(),
        cc::NO_LOADER,
    );
    tool(&["run"]).arg(&program).run().says(127, &text);
}

#[test]
fn a_name_is_looked_up_as_execvp_does() {
    let directory = scratch("path");
    for name in ["first", "second", "noexec", "here"] {
        fs::create_dir(directory.join(name)).expect("the name is new");
    }
    let script = |place: &str, mode| {
        let text = "#!/bin/sh\nprintf '%s %s' \"$0\" \"$*\"\n";
        crate::support::scratch::file(&directory.join(place), text, mode);
    };
    script("first/both", 0o755);
    script("second/both", 0o755);
    script("second/one", 0o755);
    script("noexec/both", 0o644);
    script("noexec/none", 0o644);
    script("here/local", 0o755);
    fs::create_dir(directory.join("first/one")).expect("the name is new");
    crate::support::scratch::file(&directory.join("first/gone"), "#!/nonexistent/sh\n", 0o755);
    script("second/gone", 0o755);
    let at = directory.display();
    let table = [
        ("the first one counts", "both", Some(format!("{at}/first:{at}/second"))),
        ("one without permission is passed over", "both", Some(format!("{at}/noexec:{at}/second"))),
        ("a directory is passed over", "one", Some(format!("{at}/first:{at}/second"))),
        (
            "one whose interpreter is missing is passed over",
            "gone",
            Some(format!("{at}/first:{at}/second")),
        ),
        ("only one without permission", "none", Some(format!("{at}/noexec:{at}/second"))),
        ("nowhere", "nosuch", Some(format!("{at}/noexec:{at}/second"))),
        ("a directory that does not exist", "one", Some(format!("/nonexistent:{at}/second"))),
        ("a file in place of a directory", "one", Some(format!("{at}/here/local:{at}/second"))),
        ("an empty entry is this directory", "local", Some(format!("{at}/first:"))),
        ("an empty entry in front", "local", Some(format!(":{at}/first"))),
        ("a name with a slash is not looked up", "./local", Some(format!("{at}/first"))),
        ("an empty PATH is this directory", "local", Some(String::new())),
        ("without PATH, the system's directories", "printf", None),
        ("without PATH, not this directory", "local", None),
    ];
    for (name, program, path) in table {
        // env(1) is execvp(3); `-u` and not an empty value.
        let set = |command: Cmd| match &path {
            Some(path) => command.arg(format!("PATH={path}")),
            None => command.args(["-u", "PATH"]),
        };
        let here = directory.join("here");
        let native = set(Cmd::new("/usr/bin/env")).args([program, "a", "b"]).cwd(&here).run();
        let ours = set(Cmd::new("/usr/bin/env")).arg(crate::support::tool::binary()).arg("run");
        let ours = ours.args([program, "a", "b"]).cwd(&here).run();
        let shown = |done: &crate::support::Outcome| (done.code(), done.stdout.clone());
        assert_eq!(shown(&ours), shown(&native), "{name}: {ours}");
    }
}

#[test]
fn scripts_run_as_natively_and_their_interpreter_is_upgraded() {
    let directory = scratch("scripts");
    let protocol = cc::c("protocol", Build::Plain);
    let write = |name: &str, first: &str| {
        let text = format!("{first}echo \"$0 $*\"; {}\n", protocol.display());
        crate::support::scratch::file(&directory.join(name), text, 0o755);
    };
    write("sh", "#!/bin/sh\n");
    write("env", "#!/usr/bin/env sh\n");
    write("argument", "#! /bin/sh -e\n");
    write("nothing", "");
    write("comment", "# no interpreter\n");
    write("chain", &format!("#!{}/sh\n", directory.display()));
    crate::support::scratch::file(&directory.join("empty"), "", 0o755);
    for name in ["sh", "env", "argument", "nothing", "comment", "chain", "empty"] {
        let program = directory.join(name);
        // env(1) gives what is no program to the shell, as execvp(3) does.
        let native = Cmd::new("env").arg(&program).args(["a", "b c"]).run().silent();
        let ours = tool(&["run"]).arg(&program).args(["a", "b c"]).run().silent();
        assert_eq!(ours.stdout, native.stdout.replace("\n6\n", "\n262\n"), "{name}");
        assert_eq!(ours.stdout.contains("262"), name != "empty", "{name}: {ours}");
    }
}

#[test]
fn an_environment_that_becomes_too_large_is_said() {
    // One entry may have 128 KiB (execve(2)); ours makes this one longer.
    let long = "x".repeat(131_060);
    tool(&["run", "true"]).env("X", &long).run().silent();
    let text = "error: cannot run true\n  why: argument list too long\n  \
        fix: pass fewer arguments, or a smaller environment (execve(2), limits on size)\n";
    tool(&["run", "true"]).env("GODEBUG", &long).run().says(126, text);
}

//! The boundary between the run directory and everybody else on the host: what other users hold,
//! make or link there stops nobody, and nothing is written through it.
//!
//! Each row has an attacker's half, run first or meanwhile by an ordinary user or left by one, and
//! an innocent half, run by root afterwards.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::{Pid, Signal, getsid, kill_process};

use crate::support::scratch::of_nobody;
use crate::support::uplinks::{Station, Uplinks, assert_same};
use crate::support::{Cmd, Running, scratch, tool, wait};

/// A shell script of an ordinary user on this host, in the background. It has done its part when it
/// has written `ready` into the file `$1`.
fn attacker(station: &Station, script: &str) -> Running {
    let ready = of_nobody(scratch("attacker")).join("ready");
    let running = station
        .command("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", "bash", "-uc"])
        .arg(script)
        .arg("bash")
        .arg(&ready)
        .start();
    wait::until("the attacker's half", || ready.exists());
    running
}

/// Locks whatever it can open below a directory, and never lets go of it.
fn lock_all(directory: &str) -> String {
    format!(
        r#"
        exec 2>/dev/null
        number=10
        for path in $(find {directory}); do
            eval "exec $number<\$path" && flock --nonblock $number
            number=$((number + 1))
        done
        echo ready >"$1"
        exec sleep infinity
        "#
    )
}

fn innocent(station: &Station, line: &str) -> Cmd {
    station.tool(line)
}

#[test]
fn nobody_else_can_hold_what_setup_waits_for() {
    for undo in ["by hand", "by the guard"] {
        let lab = Uplinks::two_subnets("15mbit");
        let before = lab.client.state();
        // What others can open of the run directory is there now.
        lab.client.setup("");
        let _attacker = attacker(&lab.client, &lock_all("/run/mptcpize"));
        match undo {
            "by hand" => drop(lab.client.setup("undo")),
            _ => {
                lab.client.setup("undo");
                let _attacker = attacker(&lab.client, &lock_all("/run"));
                lab.client.setup("--confirm 1");
                wait::until("the guard's undo", || lab.client.journal().is_none());
            }
        }
        assert_same(&before, &lab.client.state(), undo);
    }
}

#[test]
fn nobody_else_can_hold_up_enable() {
    let host = Station::new();
    let image = scratch("image");
    let units = image.join("etc/systemd/system");
    fs::create_dir_all(&units).expect("the scratch directory is ours");
    fs::write(units.join("a.service"), "[Service]\nExecStart=/bin/true\n").expect("it is ours");
    let _attacker = attacker(&host, &lock_all(&image.display().to_string()));
    for verb in ["enable", "disable"] {
        let line = format!("{verb} --root {} a.service", image.display());
        innocent(&host, &line).run().silent();
    }
}

#[test]
fn a_run_directory_of_somebody_else_is_refused_and_nothing_is_written_through_it() {
    // `$m` is the run directory, `$j` the journal's name in it.
    let attacks = [
        ("made by another", "mkdir $m; chown nobody $m", "it belongs to user 65534"),
        ("open to all", "mkdir $m; chmod 1777 $m", "others can write to it (mode 1777)"),
        ("a link", "mkdir -p /run/target; ln -s target $m", "it is a symbolic link"),
        ("a FIFO", "mkfifo $m", "it is no regular file, not a directory"),
        ("a link in it", "mkdir $m; ln -s /run/target $m/$j", "it is a symbolic link"),
        ("a FIFO in it", "mkdir $m; mkfifo $m/$j", "it is no regular file"),
        (
            "a file of another in it",
            "mkdir $m; echo x >$m/$j; chown nobody $m/$j",
            "it belongs to user 65534",
        ),
    ];
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    lab.client.setup("");
    let journal = lab.client.journal().expect("it was set up");
    let name = journal.file_name().expect("it has one").to_string_lossy().into_owned();
    lab.client.setup("undo");
    for (what, attack, why) in attacks {
        let script = format!("cd /; rm -rf /run/mptcpize; m=/run/mptcpize j={name}; {attack}");
        lab.client.command("sh").args(["-euc", &script]).run().silent();
        for line in ["setup", "setup undo", "setup --dry-run", "counters --since-last", "check"] {
            let done = innocent(&lab.client, line).run();
            assert_eq!(done.code(), 1, "{what}, {line}: {done}");
            if line.starts_with("counters") {
                // What it shows needs no directory, and comes first.
                let said = "  why: cannot trust /run/mptcpize";
                assert!(done.stderr.lines().any(|text| text.starts_with(said)), "{what}: {done}");
                assert!(done.stderr.contains(why), "{what}: {done}");
                continue;
            }
            let said = format!("  why: {why}");
            assert!(done.stderr.starts_with("error: cannot trust /run/mptcpize"), "{what}: {done}");
            assert!(done.stderr.lines().any(|text| text.starts_with(&said)), "{what}: {done}");
        }
        let script = "test ! -s /run/target; find /run/target -mindepth 1; rm -rf /run/target";
        let left = lab.client.command("sh").args(["-c", script]).run();
        assert_eq!(left.stdout, "", "{what}");
    }
    assert_same(&before, &lab.client.state(), "nothing was changed");
}

#[test]
fn everybody_may_still_read_what_root_set_up_whatever_its_umask() {
    let lab = Uplinks::two_subnets("15mbit");
    let tool = tool::public_binary().display();
    // The lock is there as long as it is held: the daemon holds one.
    let line = format!("umask 077; {tool} setup >/dev/null; exec {tool} daemon");
    let _daemon = lab.client.command("bash").args(["-euc", &line]).start();
    wait::until("the daemon", || {
        let daemon = lab.client.journal().map(|journal| journal.with_extension("daemon"));
        daemon.is_some_and(|daemon| daemon.exists())
    });
    let line = "cd /run/mptcpize; stat -c %a . lock lock/*.daemon *.journal";
    let modes = lab.client.command("bash").args(["-euc", line]).run().silent();
    assert_eq!(modes.stdout, "755\n700\n600\n644\n");
    let status =
        format!("exec setpriv --reuid=65534 --regid=65534 --clear-groups {tool} status -j");
    let said = lab.client.command("sh").args(["-c", &status]).run();
    assert!(said.stdout.contains("\"foreign_endpoints\":0"), "{said}");
}

#[test]
fn a_lock_that_is_held_names_its_holder() {
    let lab = Uplinks::two_subnets("15mbit");
    lab.client.setup("");
    // Root itself: nobody else can.
    let script = "cd /run/mptcpize; mkdir -m 700 lock; umask 077
                  lock=lock/$(basename *.journal .journal); : >$lock
                  exec flock $lock sh -c 'echo ready >$0; exec sleep infinity' \"$0\"";
    let ready = scratch("holder").join("ready");
    let mut holder = lab.client.command("sh").args(["-c", script]).arg(&ready).start();
    wait::until("the lock is held", || ready.exists());
    let done = innocent(&lab.client, "setup undo").run();
    assert_eq!(done.code(), 1, "{done}");
    let holds = format!("  why: process {} (flock) holds /run/mptcpize/lock/netns-", holder.pid());
    assert!(done.stderr.lines().any(|line| line.starts_with(&holds)), "{done}");
    assert!(!holder.ended());
}

/// The guard of a set-up, once it is armed.
fn armed(station: &Station) -> Option<Pid> {
    let entries = fs::read_dir(station.state_directory()).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    let mark = paths.find(|path| path.extension() == Some(OsStr::new("unconfirmed")))?;
    Pid::from_raw(fs::read_to_string(mark).ok()?.parse().ok()?)
}

/// Gives each of two files the other one's name.
#[track_caller]
fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).expect("both are there");
}

#[test]
fn the_guard_tries_until_it_has_succeeded() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let [log, said] = ["log", "said"].map(|name| scratch("strace").join(name));
    let script =
        "strace -qq -f -y -e trace=openat,read -o \"$1\" \"$0\" setup --confirm 10 >\"$2\"";
    let command = lab.client.command("sh").args(["-euc", script]).arg(tool::binary());
    let traced = command.args([&log, &said]).start();
    // Its time does not pass before the set-up is complete, however long that takes: it is stopped as
    // soon as it is a process that outlives a terminal, for which the set-up waits.
    let mut guard = None;
    wait::until("the guard", || {
        guard = armed(&lab.client);
        guard.is_some_and(|guard| getsid(Some(guard)) == Ok(guard))
    });
    let guard = guard.expect("it was waited for");
    kill_process(guard, Signal::STOP).expect("it runs");
    wait::until("the set-up is complete", || {
        fs::read_to_string(&said).is_ok_and(|said| said.contains("setup confirm"))
    });
    // Whatever makes an undo fail; here, that the journal cannot be read.
    let journal = lab.client.journal().expect("it is there");
    let aside = scratch("aside").join("journal");
    let failed = || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.lines().filter(|line| line.contains("EISDIR")).count()
    };
    fs::create_dir(&aside).expect("the name is free");
    exchange(&journal, &aside);
    kill_process(guard, Signal::CONT).expect("it is there");
    wait::until("the undo has failed three times", || failed() >= 3);
    // At once: with no journal, or half of one, there would be nothing to undo.
    exchange(&journal, &aside);
    wait::until("the undo", || lab.client.journal().is_none());
    traced.finish().ok();
    assert_same(&before, &lab.client.state(), "undone by itself");
}

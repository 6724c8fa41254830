//! What is unusual about the process that asks: its standard descriptors, its home, its terminal, a /proc
//! and /sys that nobody may write. Each is told in a clear line, or does not matter.

use std::collections::BTreeMap;
use std::fs;

use crate::support::uplinks::{Station, Uplinks, assert_same};
use crate::support::{Cmd, Outcome, scratch, tool, wait};

/// Verbs that print something where nothing is set up, and their exit status.
const VERBS: [(&str, i32); 10] = [
    ("status", 3),
    ("check", 3),
    ("counters", 0),
    ("counters --since-last", 0),
    ("setup --dry-run", 0),
    ("limits", 0),
    ("list", 0),
    ("metrics", 0),
    ("--help", 0),
    ("--version", 0),
];

fn station() -> Station {
    let station = Station::new();
    station.net.ip("link set lo up");
    station
}

/// `mptcpize WORDS`, with its descriptors as the shell is told.
fn shell(station: &Station, words: &str, how: &str) -> Outcome {
    let line = format!("set -o pipefail; {} {words} {how}", tool::binary().display());
    station.command("bash").args(["-c", &line]).run()
}

#[test]
fn a_full_disk_is_a_failure_and_is_said() {
    let station = station();
    for (words, _) in VERBS {
        for json in ["", " -j"] {
            // Help stays help.
            if json == " -j" && words == "--help" {
                continue;
            }
            let said = shell(&station, &format!("{words}{json}"), ">/dev/full");
            assert_eq!(said.code(), 1, "{words}{json}: {said}");
            assert!(said.stderr.contains("no space left on device"), "{words}{json}: {said}");
        }
    }
    let said = shell(&station, "endpoint -j frobnicate", ">/dev/full");
    assert_eq!(said.code(), 2, "the first error counts: {said}");
}

#[test]
fn a_reader_that_has_enough_and_closed_descriptors_do_not_matter() {
    let station = station();
    for (words, code) in VERBS {
        for how in ["| true", ">&-", "<&-", "2>&-", "<&- >&- 2>&-"] {
            let said = shell(&station, words, how);
            assert_eq!(said.code(), code, "{words} {how}: {said}");
            assert!(!said.stderr.contains("error"), "{words} {how}: {said}");
        }
    }
}

#[test]
fn no_socket_or_file_of_ours_takes_the_place_of_a_closed_descriptor() {
    let station = station();
    let line =
        format!("exec {} metrics --listen 127.0.0.1:0 <&- >&- 2>&-", tool::binary().display());
    let running = station.command("bash").args(["-c", &line]).start();
    let open = || {
        let entries = fs::read_dir(format!("/proc/{}/fd", running.pid())).into_iter().flatten();
        let links = entries.flatten().filter_map(|entry| {
            let number: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?.display().to_string()))
        });
        links.collect::<BTreeMap<u32, String>>()
    };
    // The socket that listens is opened after all that was filled.
    wait::until("metrics to listen", || open().values().any(|link| link.starts_with("socket:")));
    let open = open();
    for number in 0..3 {
        assert_eq!(open.get(&number).map(String::as_str), Some("/dev/null"), "{open:?}");
    }
}

#[test]
fn a_user_without_a_home_looks_as_others_do() {
    let mut station = station();
    station.mounting("mount -t tmpfs -o mode=1777 tmpfs /var/tmp");
    let id = scratch::NOBODY.to_string();
    let by = |words: &str, home: Option<&str>| {
        let set = ["--reuid", &id, "--regid", &id, "--clear-groups", "--"];
        let command = station.command("setpriv").args(set).arg(tool::public_binary());
        let command = command.args(words.split_whitespace()).env_remove("XDG_CACHE_HOME");
        match home {
            Some(home) => command.env("HOME", home).run(),
            None => command.env_remove("HOME").run(),
        }
    };
    let closed = scratch::scratch("closed").display().to_string();
    for home in [None, Some("/nonexistent"), Some("/dev/null"), Some("relative"), Some(&closed)] {
        for words in ["status", "run true", "counters", "relay list"] {
            let said = by(words, home);
            assert!([0, 3].contains(&said.code()), "{home:?} {words}: {said}");
            assert!(!said.stderr.contains("error:"), "{home:?} {words}: {said}");
        }
        // A directory of the user's own is as good; see counters.rs for those that are none.
        let said = by("counters --since-last", home);
        assert!(said.code() == 0 && !said.stdout.is_empty(), "{home:?}: {said}");
    }
}

#[test]
fn settings_that_cannot_be_read_are_named() {
    let mut station = station();
    for (make, why) in [
        ("mkdir /etc/mptcpize.toml", "it is not a regular file"),
        ("ln -s mptcpize.toml /etc/mptcpize.toml", "too many levels of symbolic links"),
        ("printf '\\377' >/etc/mptcpize.toml", "it is not text"),
        ("echo 'run_setup = 3' >/etc/mptcpize.toml", "line 1, column 13"),
    ] {
        station.mounting(&format!(
            "[ -d /run/etc ] || cp -a /etc /run/etc; mount --bind /run/etc /etc; \
             rm -rf /etc/mptcpize.toml; {make}"
        ));
        for words in ["setup", "setup --dry-run", "check", "status", "daemon"] {
            let said = station.tool(words).run();
            assert!([1, 2].contains(&said.code()), "{make} {words}: {said}");
            assert!(said.stderr.contains("/etc/mptcpize.toml"), "{make} {words}: {said}");
            assert!(said.stderr.contains(why), "{make} {words}: {said}");
        }
    }
}

#[test]
fn settings_that_only_root_may_read_are_told_with_what_lets_others_read_them() {
    let mut station = station();
    station.mounting(
        "[ -d /run/etc ] || cp -a /etc /run/etc; mount --bind /run/etc /etc; \
         echo 'role = \"client\"' >/etc/mptcpize.toml; chmod 600 /etc/mptcpize.toml",
    );
    let id = scratch::NOBODY.to_string();
    for words in ["check", "setup --dry-run", "run true"] {
        let set = ["--reuid", &id, "--regid", &id, "--clear-groups", "--"];
        let command = station.command("setpriv").args(set).arg(tool::public_binary());
        command.args(words.split_whitespace()).run().says(
            4,
            "error: cannot read /etc/mptcpize.toml\n  why: permission denied\n  \
             fix: sudo chmod a+r /etc/mptcpize.toml\n",
        );
    }
}

#[test]
fn kernel_settings_that_nobody_may_write_stay_and_the_rest_is_done_and_undone() {
    let mut lab = Uplinks::two_subnets("15mbit");
    let read_only = "mount --bind /sys /sys; mount -o remount,bind,ro /sys; \
                     mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys";
    let before = lab.client.state();
    lab.client.mounting(read_only);
    for (words, code) in [
        ("status", 3),
        ("run true", 0),
        ("setup", 0),
        ("run --setup true", 0),
        ("status", 0),
        ("check", 0),
        ("setup undo", 0),
    ] {
        let said = lab.client.tool(words).run();
        assert_eq!(said.code(), code, "{words}: {said}");
        assert!(!said.stderr.contains("error"), "{words}: {said}");
        if words == "setup" {
            assert!(said.stdout.contains("/proc/sys is read-only here: 2 sysctls stay"), "{said}");
        }
    }
    assert_same(&before, &lab.client.state(), "undone");
    // Where they were written before, the undo says what it lacks, and keeps what is left to undo.
    lab.client.mounting("");
    lab.client.setup("");
    lab.client.mounting(read_only);
    let said = lab.client.tool("setup undo").run();
    assert_eq!(said.code(), 6, "{said}");
    assert!(said.stderr.contains("why: read-only file system\n"), "{said}");
    let fix = "  fix: sudo mount -o remount,rw /proc/sys && sudo mptcpize setup undo\n";
    assert!(said.stderr.ends_with(fix), "{said}");
    lab.client.mounting("");
    lab.client.tool("setup undo").run().ok();
    assert_same(&before, &lab.client.state(), "undone in two steps");
}

#[test]
fn a_run_directory_that_nobody_may_write_is_named_with_what_opens_it() {
    let mut lab = Uplinks::two_subnets("15mbit");
    let station = &mut lab.client;
    let before = station.state();
    station.mounting("mount -o remount,bind,ro /run");
    for words in ["setup", "daemon", "counters --since-last", "gateway undo", "relay serve undo"] {
        let said = station.tool(words).run();
        // Nothing to undo is no error.
        if said.code() != 0 {
            assert_eq!(said.code(), 1, "{words}: {said}");
            assert!(said.stderr.contains("read-only file system\n"), "{words}: {said}");
            let fix = "\n  fix: sudo mount -o remount,rw /run    # in a container: ";
            assert!(said.stderr.contains(fix), "{words}: {said}");
        }
        let undoes = words.ends_with("undo");
        assert!(said.code() == 1 || undoes, "{words}: {said}");
        assert_eq!(
            said.stdout.is_empty(),
            words == "setup" || words == "daemon",
            "{words}: {said}"
        );
    }
    for (words, code) in [("status", 3), ("check", 3), ("setup --dry-run", 0), ("run true", 0)] {
        let said = station.tool(words).run();
        assert_eq!(said.code(), code, "{words}: {said}");
        // A program runs; that the host was not set up for it is told.
        assert!(!said.stderr.contains("error") || words == "run true", "{words}: {said}");
    }
    station.mounting("");
    assert_same(&before, &station.state(), "nothing was changed");
}

#[test]
fn a_terminal_that_cannot_be_drawn_on_gets_plain_lines() {
    let station = station();
    let at_terminal = |words: &str, term: Option<&str>| {
        let line = format!("{} {words}", tool::binary().display());
        let script: Cmd = station.command("script").args(["-qec", &line, "/dev/null"]);
        match term {
            Some(term) => script.env("TERM", term).run(),
            None => script.env_remove("TERM").run(),
        }
    };
    for term in [None, Some("dumb")] {
        for words in ["status", "check", "status --color=auto", "counters --all"] {
            let said = at_terminal(words, term);
            assert!(!said.stdout.contains('\x1b'), "{term:?} {words}: {said}");
        }
        #[cfg(feature = "top")]
        {
            let said = at_terminal("top", term);
            assert_eq!(said.code(), 2, "{term:?}: {said}");
            assert!(said.stdout.contains("fix: mptcpize top --once"), "{term:?}: {said}");
        }
    }
    assert!(at_terminal("status", Some("xterm")).stdout.contains('\x1b'), "the terminal is one");
}

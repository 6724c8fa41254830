//! What is unusual about the process that asks: its standard descriptors, its home, its terminal, a /proc
//! and /sys that nobody may write. Each is told in a clear line, or does not matter.

use crate::support::uplinks::Station;
use crate::support::{Cmd, Outcome, scratch, tool};

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
fn a_set_up_with_closed_descriptors_writes_its_lines_into_no_file_of_its_own() {
    let mut station = station();
    station.mounting("ip link show w1 2>&- >&- || :");
    for link in ["w1", "w2"] {
        station.net.ip(&format!("link add {link} type veth peer name peer-{link}"));
        station.net.ip(&format!("link set {link} up"));
        station.net.ip(&format!("link set peer-{link} up"));
    }
    for (link, number) in [("w1", 1), ("w2", 2)] {
        station.net.ip(&format!("address add 10.{number}.0.1/24 dev {link}"));
        station
            .net
            .ip(&format!("route add default via 10.{number}.0.254 dev {link} metric 10{number}"));
    }
    let before = station.state();
    for words in ["setup -v", "run true", "run -v --setup true"] {
        let said = shell(&station, words, "<&- >&- 2>&-");
        assert_eq!(said.code(), 0, "{words}: {said}");
        // The journal can be read: no line for a person stands in it.
        let undone = station.tool("setup undo").run().ok();
        assert!(undone.stdout.starts_with("undid "), "{words}: {undone}");
        assert_eq!(before, station.state(), "{words}");
    }
}

#[test]
fn what_cannot_be_written_in_a_home_is_said_with_a_way_on() {
    let station = station();
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
        let said = by("counters --since-last", home);
        assert!([1, 4].contains(&said.code()) && said.stdout.is_empty(), "{home:?}: {said}");
        assert!(said.stderr.starts_with("error: cannot keep the counters"), "{home:?}: {said}");
        assert!(said.stderr.contains("\n  fix: set XDG_RUNTIME_DIR to a directory"), "{said}");
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
        for words in ["setup", "setup --dry-run", "check", "daemon"] {
            let said = station.tool(words).run();
            assert!([1, 2].contains(&said.code()), "{make} {words}: {said}");
            assert!(said.stderr.contains("/etc/mptcpize.toml"), "{make} {words}: {said}");
            assert!(said.stderr.contains(why), "{make} {words}: {said}");
        }
    }
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

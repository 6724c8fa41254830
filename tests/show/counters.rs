//! `mptcpize counters`: the kernel's own values, in words, and what changed since the last look.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::check::check;
use crate::support::kernel::{self, counter};
use crate::support::scratch::{self, scratch};
use crate::support::uplinks::{PORT, Station, transfer_py};
use crate::support::{Cmd, Netns, Outcome, serve, tool, wait};
use mptcpize::output::counters::Screen;
use mptcpize_model::counters::Counters;

/// A connection of MPTCP within the station.
fn connect(station: &Station) {
    let server = station.tool("run --no-setup python3").arg(transfer_py());
    let server =
        serve::listening(&station.net, server.args(["serve", &PORT.to_string()]).quiet(), PORT);
    let client = station.tool("run --no-setup python3").arg(transfer_py());
    client.args(["get", "127.0.0.1", &PORT.to_string(), "1000"]).run().ok();
    drop(server);
    // What closes a connection is counted too, and done by a worker of the kernel.
    wait::until("the end of the connection", || kernel::ss(&station.net, "-Ma").is_empty());
}

fn json(station: &Station, arguments: &str) -> Value {
    let outcome = station.tool("counters --json").args(arguments.split_whitespace()).run().ok();
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome}"))
}

/// Names and values of those that are shown.
fn shown(value: &Value) -> Vec<(String, u64)> {
    let list = value["counters"].as_array().expect("it is a list").iter();
    list.map(|counter| {
        let name = counter["name"].as_str().expect("a text").to_owned();
        (name, counter["value"].as_u64().expect("a number"))
    })
    .collect()
}

#[test]
fn every_counter_of_this_kernel_is_shown_with_its_value_and_meaning() {
    let station = Station::new();
    connect(&station);
    let value = json(&station, "");
    let all = shown(&value);
    assert!(all.len() > 20, "{all:?}");
    for (name, value) in &all {
        assert_eq!(*value, counter(&station.net, "MPTcpExt", name), "{name}");
    }
    let text = station.net.proc_net("netstat");
    let names = text.lines().find(|line| line.starts_with("MPTcpExt:")).expect("it is there");
    assert_eq!(names.split_whitespace().count() - 1, all.len());
    for counter in value["counters"].as_array().expect("it is a list") {
        for key in ["kind", "means", "advice"] {
            assert!(counter[key].is_string(), "{key} of {counter}");
        }
    }
    let screen = station.tool("counters --all").run().silent().stdout;
    assert_eq!(screen.lines().count(), all.len());
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    let line = "  MPCapableSYNTX                  1  asked a server for MPTCP (SYN)\n";
    assert!(screen.contains(line), "{screen}");
    let explained = station.tool("counters --explain").run().silent().stdout;
    assert!(explained.lines().all(|line| line.chars().count() <= 80), "{explained}");
}

#[test]
fn counters_that_are_0_are_left_out_and_counted() {
    let station = Station::new();
    let nothing = station.tool("counters").run().silent().stdout;
    assert!(nothing.starts_with("Nothing of MPTCP has happened in this network namespace"));
    assert_eq!(nothing.lines().count(), 1, "{nothing}");
    connect(&station);
    let all = shown(&json(&station, ""));
    let some: Vec<&String> = all.iter().filter(|it| it.1 > 0).map(|it| &it.0).collect();
    let screen = station.tool("counters").run().silent().stdout;
    let names: Vec<&str> = screen
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.get(2..)?.split_whitespace().next())
        .collect();
    assert_eq!(names, some);
    let rest = format!("\n{} others are 0    (mptcpize counters --all)\n", all.len() - some.len());
    assert!(screen.ends_with(&rest), "{screen}");
}

#[test]
fn a_check_of_the_host_alone_is_no_connection_that_is_counted() {
    let station = Station::new();
    station.net.ip("link set lo up");
    json(&station, "--since-last");
    let checked = check(&station, "");
    assert_eq!(checked.topic("shim")["code"], "shim", "the library was tried");
    assert_eq!(shown(&json(&station, "--since-last")), []);
}

#[test]
fn since_the_last_look_only_what_changed_is_shown() {
    let station = Station::new();
    connect(&station);
    let first = station.tool("counters --since-last").run().ok();
    assert!(first.stderr.contains("the first look"), "{first}");
    assert!(first.stdout.contains("MPCapableSYNTX                  1"), "{first}");
    let nothing = station.tool("counters --since-last").run().silent().stdout;
    let mut lines = nothing.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("In the last ")), "{nothing}");
    assert_eq!(lines.nth(1), Some("Nothing was counted."));
    connect(&station);
    connect(&station);
    // Looking without it keeps nothing.
    assert_eq!(
        shown(&json(&station, "")).iter().find(|it| it.0 == "MPCapableSYNTX"),
        Some(&("MPCapableSYNTX".into(), 3))
    );
    let changed = json(&station, "--since-last");
    assert!(shown(&changed).contains(&("MPCapableSYNTX".into(), 2)), "{changed}");
    assert!(shown(&changed).iter().all(|(_, value)| *value > 0), "{changed}");
    assert!(changed["since_last_s"].is_u64(), "{changed}");
    // Another namespace has its own.
    let other = station.tool("counters --since-last").within(&Netns::new()).run().ok();
    assert!(other.stderr.contains("the first look"), "{other}");
}

#[test]
fn values_of_another_boot_or_of_nobody_count_as_none() {
    let station = Station::new();
    station.tool("counters --since-last").run().ok();
    let kept = fs::read_dir(station.state_directory())
        .expect("it was made")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "counters"))
        .expect("the values were kept");
    let good = fs::read_to_string(&kept).expect("it can be read");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot has an id");
    for bad in [good.replace(boot.trim(), "another"), String::new(), good[..good.len() / 2].into()]
    {
        fs::write(&kept, &bad).expect("it is ours");
        let outcome = station.tool("counters --since-last").run().ok();
        assert!(outcome.stderr.contains("the first look"), "{bad}: {outcome}");
        assert_eq!(station.tool("counters --since-last").run().silent().code(), 0);
    }
}

/// `counters ARGUMENTS` by an ordinary user, who has this directory for a boot or neither that nor a home.
fn by_nobody(station: &Station, runtime: Option<&std::path::Path>, arguments: &str) -> Outcome {
    let id = scratch::NOBODY.to_string();
    let look = station.command("setpriv");
    let look = look.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]);
    let look = look.arg(tool::public_binary()).arg("counters");
    let look = look.args(arguments.split_whitespace());
    match runtime {
        Some(runtime) => look.env("XDG_RUNTIME_DIR", runtime).run(),
        None => look.env_remove("HOME").env_remove("XDG_CACHE_HOME").run(),
    }
}

#[test]
fn an_ordinary_user_looks_and_keeps_values_of_their_own() {
    let station = Station::new();
    assert!(by_nobody(&station, None, "--all").silent().stdout.contains("MPCapableSYNRX"));
    let runtime = scratch::of_nobody(scratch("runtime"));
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).expect("we are root");
    let first = by_nobody(&station, Some(&runtime), "--since-last").ok();
    assert!(first.stderr.contains("the first look"), "{first}");
    by_nobody(&station, Some(&runtime), "--since-last").silent();
    // Root's are not theirs to write.
    station.tool("counters --since-last").run().ok();
}

/// A station whose /var/tmp is its own, and where that is.
fn with_temporary() -> (Station, PathBuf) {
    let place = scratch("tmp");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o1777)).expect("we are root");
    let mut station = Station::new();
    station.mounting(&format!("mount --bind {} /var/tmp", place.display()));
    (station, place)
}

#[test]
fn without_a_home_the_last_look_is_kept_in_a_directory_of_the_users_own() {
    let (station, place) = with_temporary();
    let first = by_nobody(&station, None, "--since-last").ok();
    assert!(first.stderr.contains("the first look"), "{first}");
    connect(&station);
    let next = by_nobody(&station, None, "--since-last").silent();
    assert!(next.stdout.contains("MPCapableSYNTX                  1"), "{next}");
    let kept = place.join(format!("mptcpize-{}", scratch::NOBODY));
    assert!(kept.is_dir());
    // With a home again, what was kept last counts.
    let runtime = scratch::of_nobody(scratch("runtime"));
    by_nobody(&station, Some(&runtime), "--since-last").silent();
}

#[test]
fn a_directory_that_others_made_or_can_change_keeps_nothing_and_the_figures_are_shown() {
    let user = format!("{0}:{0}", scratch::NOBODY);
    for (hostile, why) in [
        ("mkdir OWN; chown 1234 OWN".to_owned(), "it belongs to user 1234"),
        (format!("mkdir OWN; chown {user} OWN; chmod 777 OWN"), "others can write to it"),
        ("mkdir ABOVE/theirs; ln -s theirs OWN".to_owned(), "it is a symbolic link"),
        ("touch OWN".to_owned(), "it is a file"),
        (format!("mkdir OWN; mkfifo OWN/x; chown -R {user} OWN"), "it is no regular file"),
        (format!("mkdir OWN; ln -s /dev/zero OWN/x; chown {user} OWN"), "it is a symbolic link"),
    ] {
        let (station, place) = with_temporary();
        let own = place.join(format!("mptcpize-{}", scratch::NOBODY));
        let script = hostile.replace("ABOVE", &place.display().to_string());
        let script = script.replace("OWN", &own.display().to_string());
        Cmd::line("sh -euc").arg(script).run().silent();
        let before = by_nobody(&station, None, "");
        for _ in 0..2 {
            let said = by_nobody(&station, None, "--since-last");
            assert!([1, 4].contains(&said.code()), "{hostile}: {said}");
            assert_eq!(said.stdout, before.stdout, "{hostile}: the figures are those of any look");
            assert!(said.stderr.contains("the first look"), "{hostile}: {said}");
            let error = &said.stderr[said.stderr.find("error: ").expect("it is said")..];
            assert!(error.contains("\n  fix: "), "{hostile}: {said}");
            assert!(error.contains(why), "{hostile}: {said}");
            let one = by_nobody(&station, None, "--since-last -j");
            let value: Value = serde_json::from_str(&one.stdout).expect("one value");
            assert!(value["counters"].is_array() && one.code() == said.code(), "{hostile}: {one}");
        }
    }
}

#[test]
fn each_user_has_a_last_look_of_their_own() {
    let (station, _place) = with_temporary();
    let home = scratch::of_nobody(scratch("home"));
    let look = |user: u32, home: &Path| {
        let (id, home) = (user.to_string(), home.to_path_buf());
        let look = station.command("setpriv").args(["--reuid", &id, "--regid", &id]);
        let look = look.args(["--clear-groups", "--"]).arg(tool::public_binary());
        let look = look.args(["counters", "--since-last"]).env_remove("XDG_CACHE_HOME");
        look.env("HOME", home).run()
    };
    let first = |outcome: Outcome| outcome.ok().stderr.contains("the first look");
    assert!(first(look(0, &home)), "root");
    // Root's look is none of theirs.
    assert!(first(look(scratch::NOBODY, &home)), "an ordinary user");
    assert!(!first(look(0, &home)) && !first(look(scratch::NOBODY, &home)));
    let kept = home.join(".cache/mptcpize");
    assert!(kept.is_dir());
    // As su(1) leaves it: a home and a directory of this boot that are another's.
    assert!(first(look(scratch::NOBODY - 1, &home)), "none of theirs is read");
    let name = fs::read_dir(&kept).expect("it is there").flatten().next().expect("one").path();
    // What is no regular file holds nobody up, and is no last look.
    for bad in ["fifo", "link", "large"] {
        fs::remove_file(&name).expect("we are root");
        let path = name.display();
        let make = match bad {
            "fifo" => format!("mkfifo -m 600 {path}"),
            "link" => format!("ln -s /dev/zero {path}"),
            _ => format!("truncate -s 1T {path}"),
        };
        Cmd::line(&make).run().silent();
        let mine = format!("chown -h {}:{} {path}", scratch::NOBODY, scratch::NOBODY);
        Cmd::line(&mine).run().silent();
        // Another of the user's directories keeps it then.
        assert_eq!(first(look(scratch::NOBODY, &home)), bad == "fifo", "{bad}");
        if bad != "large" {
            fs::remove_file(&name).expect("we are root");
            assert!(!first(look(scratch::NOBODY, &home)), "{bad}");
        }
    }
}

#[test]
fn trouble_is_marked_and_unknown_names_are_kept() {
    let of = |list: &[(&str, u64)]| {
        Counters(list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
    };
    let counters =
        of(&[("MPJoinSynTx", 12), ("Blackhole", 2), ("DataCsumErr", 0), ("FromTomorrow", 7)]);
    let of = |width, explain, all, since_s| {
        Screen { counters: &counters, explain, all, since_s, up_s: 9 }.text(width)
    };
    let screen = |explain, all, since_s| of(80, explain, all, since_s);
    assert_eq!(
        of(30, false, false, None).lines().take(4).collect::<Vec<_>>(),
        [
            "  MPJoinSynTx  12",
            "      joins sent",
            "! Blackhole  2",
            "      MPTCP was suspended: its"
        ]
    );
    assert_eq!(
        screen(false, true, None),
        "  MPJoinSynTx                    12  joins sent
! Blackhole                       2  MPTCP was suspended: its SYNs vanish
  DataCsumErr                     0  data with a wrong MPTCP checksum
  FromTomorrow                    7  newer than this mptcpize
"
    );
    assert_eq!(
        screen(true, false, Some(7_300)),
        "In the last 2 h:

  MPJoinSynTx                    12  joins sent
      nothing: this is how it should be
! Blackhole                       2  MPTCP was suspended: its SYNs vanish
      a firewall drops SYNs with MPTCP: mptcpize check HOST finds the link.
      The kernel tries again after net.mptcp.blackhole_timeout seconds
  FromTomorrow                    7  newer than this mptcpize

1 other is 0    (mptcpize counters --all)
"
    );
}

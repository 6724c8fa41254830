//! `mptcpize run --relay`: what a program sees besides its bytes, and that nothing is left of it, whoever
//! is killed.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use mptcpize_model::relay::key::Key;

use crate::lab::{Ready, User, WEB_V4, file_at};
use crate::support::{Cmd, Running, hold, scratch, wait};

/// A program that runs until it may end, and those of ours beside it.
struct Held {
    running: Option<Running>,
    may_end: PathBuf,
    program: i32,
}

impl Held {
    /// Starts a shell that loads the file before it waits, and after it.
    fn start(ready: &Ready, user: User) -> Self {
        let (told, may_end) = (hold::fifo(), hold::fifo());
        for fifo in [&told, &may_end] {
            fs::set_permissions(fifo, std::os::unix::fs::PermissionsExt::from_mode(0o666))
                .expect("it is ours");
        }
        let load = format!("curl -sSf -o /dev/null {}", file_at(WEB_V4));
        let script = format!(
            "{load} && echo $$ >{} && read line <{}; {load}; echo $?",
            told.display(),
            may_end.display()
        );
        let running = ready.run(user, "sh").args(["-c", &script]).start();
        let text = fs::read_to_string(told).expect("the shell says its number");
        let program = text.trim().parse().expect("a number");
        Held { running: Some(running), may_end, program }
    }

    /// The processes of ours, by their names.
    fn ours(&self, name: &str) -> Vec<i32> {
        let own = |pid: i32| -> Option<bool> {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let session =
                stat.rsplit_once(')')?.1.split_whitespace().nth(3)?.parse::<i32>().ok()?;
            Some(comm.trim() == name && self.is_of_program(session))
        };
        let all = fs::read_dir("/proc").expect("procfs is there").flatten();
        let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        numbers.filter(|pid| own(*pid) == Some(true)).collect()
    }

    /// Is a session that of the supervisor of this program, or of the process that cleans up after it?
    fn is_of_program(&self, session: i32) -> bool {
        // It waits for the program by a descriptor (pidfd_open(2)).
        let fds = fs::read_dir(format!("/proc/{session}/fdinfo")).into_iter().flatten().flatten();
        let line = format!("Pid:\t{}\n", self.program);
        let holds = |path: PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains(&line));
        fds.map(|fd| fd.path()).any(holds)
    }

    /// Lets it end; what it printed.
    fn end(&mut self) -> String {
        fs::write(&self.may_end, "x\n").expect("the shell reads it");
        self.running.take().expect("it ends once").finish().stdout
    }
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("it runs");
}

/// What there is of a program of root: tables, cgroups, directories.
fn remains(ready: &Ready, program: i32) -> Vec<String> {
    let client = ready.relays.client();
    let tables = client.net.command("nft").args(["list", "tables"]).run().ok().stdout;
    let name = format!("mptcpize-relay-{program}");
    let mut found: Vec<String> =
        tables.lines().filter(|line| line.contains(&name)).map(str::to_owned).collect();
    // Groups go while it looks, of other tests too: what is gone is not there.
    let script = "mount -t cgroup2 none /sys/fs/cgroup
        find /sys/fs/cgroup -type d 2>/dev/null || :";
    let groups = Cmd::line("unshare --mount sh -euc").arg(script).run().ok().stdout;
    found.extend(groups.lines().filter(|line| line.ends_with(&name)).map(str::to_owned));
    let place = client.state_directory().join(format!("relay/run-{program}"));
    found.extend(place.exists().then(|| place.display().to_string()));
    found
}

#[test]
fn an_exit_status_and_a_signal_are_the_program_s_own() {
    let ready = Ready::new(1_000);
    for user in [User::Root, User::Nobody] {
        let run = |script: &str| ready.run(user, "sh").args(["-c", script]).run();
        assert_eq!(run("exit 7").says(7, "").stdout, "");
        assert_eq!(run("kill -TERM $$").code(), 128 + 15, "{user:?}");
        let said = run("cat; echo $PPID").ok().stdout;
        assert!(said.trim().parse::<u32>().is_ok(), "{user:?}: {said}");
    }
}

#[test]
fn a_program_that_is_not_there_is_said_before_anything_is_made() {
    let ready = Ready::new(1_000);
    let said = ready.run(User::Root, "no-such-program").run();
    assert_eq!(said.code(), 127, "{said}");
    assert!(!ready.relays.client().state_directory().join("relay").exists());
}

#[test]
fn an_ordinary_user_s_program_has_no_capability_and_is_nobody_else() {
    let ready = Ready::new(1_000);
    let script =
        "grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status; id -u; cat /proc/self/setgroups";
    let said = ready.run(User::Nobody, "sh").args(["-c", script]).run().silent().stdout;
    let (capabilities, rest): (Vec<_>, Vec<_>) =
        said.lines().partition(|line| line.starts_with("Cap"));
    assert!(capabilities.iter().all(|line| line.ends_with("\t0000000000000000")), "{said}");
    assert_eq!(rest, ["65534", "deny"]);
}

#[test]
fn nothing_is_left_when_the_program_has_ended() {
    let ready = Ready::new(1_000);
    let mut held = Held::start(&ready, User::Root);
    assert_eq!(remains(&ready, held.program).len(), 3);
    assert_eq!(held.end(), "0\n");
    wait::until("nothing to be left", || remains(&ready, held.program).is_empty());
}

#[test]
fn a_killed_agent_and_a_killed_nft_are_started_again() {
    let ready = Ready::new(1_000);
    for victim in ["agent", "nft"] {
        let mut held = Held::start(&ready, User::Root);
        let found = match victim {
            "nft" => held.ours("nft"),
            // That of the user that nobody has.
            _ => held.ours("mptcpize-relay").into_iter().filter(|pid| !is_root(*pid)).collect(),
        };
        assert_eq!(found.len(), 1, "{victim}: {found:?}");
        kill(found[0]);
        wait::until("another one", || {
            let now = match victim {
                "nft" => held.ours("nft"),
                _ => held.ours("mptcpize-relay").into_iter().filter(|pid| !is_root(*pid)).collect(),
            };
            now.iter().any(|pid| !found.contains(pid))
        });
        assert_eq!(held.end(), "0\n", "{victim}");
    }
}

fn is_root(pid: i32) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(format!("/proc/{pid}")).is_ok_and(|found| found.uid() == 0)
}

#[test]
fn of_a_killed_supervisor_nothing_is_left_and_the_program_goes_directly() {
    let ready = Ready::new(1_000);
    let mut held = Held::start(&ready, User::Root);
    let ours = held.ours("mptcpize-relay");
    let supervisor = ours.into_iter().find(|pid| is_root(*pid)).expect("it runs");
    kill(supervisor);
    wait::until("the table to go", || {
        !remains(&ready, held.program).iter().any(|one| one.starts_with("table"))
    });
    assert_eq!(held.end(), "0\n");
    wait::until("nothing to be left", || remains(&ready, held.program).is_empty());
}

#[test]
fn a_daemon_that_a_program_leaves_goes_through_the_relay_until_it_ends() {
    let ready = Ready::new(1_000);
    for user in [User::Root, User::Nobody] {
        let may_end = hold::fifo();
        let out = scratch("out").join("file");
        for (path, made) in [(&may_end, true), (&out, false)] {
            if !made {
                fs::write(path, "").expect("it is ours");
            }
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666))
                .expect("it is ours");
        }
        let load = format!(
            "read line <{}; curl -sSf -w '%{{remote_ip}}' -o /dev/null {} >{}",
            may_end.display(),
            file_at(WEB_V4),
            out.display()
        );
        let script = "setsid sh -c \"$1\" </dev/null >/dev/null 2>&1 &";
        ready.run(user, "sh").args(["-c", script, "sh", &load]).run().silent();
        let before = ready.relays.carried();
        fs::write(&may_end, "x\n").expect("the daemon reads it");
        wait::until("the daemon to have loaded it", || {
            fs::read_to_string(&out).is_ok_and(|text| text == WEB_V4)
        });
        assert!(ready.relays.carried() > before, "{user:?}");
    }
}

#[test]
fn neither_key_nor_url_is_shown_by_a_process_that_stays() {
    // Its own, for tests beside this one have keys on command lines.
    let ready = Ready::with_key(1_000, Key::new(vec![0xc3; 16]));
    for user in [User::Root, User::Nobody] {
        let mut held = Held::start(&ready, user);
        let shown = |pid: i32| {
            ["cmdline", "environ"]
                .map(|name| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default())
        };
        let all = fs::read_dir("/proc").expect("procfs is there").flatten();
        let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let found: Vec<i32> = numbers
            .filter(|pid| *pid != std::process::id().cast_signed())
            .filter(|pid| shown(*pid).concat().windows(9).any(|text| text == b"w8PDw8PDw"))
            .collect();
        assert!(found.is_empty(), "{user:?}: {found:?}");
        held.end();
    }
}

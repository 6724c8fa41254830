//! `run --relay` with an attacker beside it: one who chooses the environment, who owns a directory on the
//! way, or who gives the names.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use crate::lab::{Ready, User, WEB_V4, file_at};
use crate::support::scratch::NOBODY;
use crate::support::{scratch, wait};

/// An ordinary user who is not the one of the programs.
const OTHER: u32 = 65_533;

#[test]
fn no_program_of_the_caller_s_path_is_started_but_the_one_that_was_named() {
    let ready = Ready::new(1_000);
    let place = scratch("path");
    let mark = place.join("mark");
    for name in ["nft", "ip", "mptcpize-relay"] {
        let text = format!("#!/bin/sh\ntouch {}\n", mark.display());
        scratch::executable(&place.join(name), text);
    }
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", place.display());
    for user in [User::Root, User::Nobody] {
        let carried = ready.relays.carried();
        let run = ready.run(user, "curl").args(["-sSf", "-o", "/dev/null", &file_at(WEB_V4)]);
        run.env("PATH", &path).env("LD_LIBRARY_PATH", &place).run().silent();
        assert!(ready.relays.carried() > carried, "{user:?}");
    }
    assert!(!mark.exists());
}

#[test]
fn a_runtime_directory_of_somebody_else_is_not_used() {
    let ready = Ready::new(1_000);
    let run = |directory: &std::path::Path| {
        let carried = ready.relays.carried();
        let run = ready.run(User::Nobody, "curl").args(["-sSf", "-o", "/dev/null"]);
        run.arg(file_at(WEB_V4)).env("XDG_RUNTIME_DIR", directory).run().silent();
        assert!(ready.relays.carried() > carried);
    };
    // It is another user's, who lets everybody write there.
    let theirs = scratch("runtime");
    let ours = theirs.join("mptcpize");
    fs::create_dir(&ours).expect("it is new");
    chown(&ours, Some(OTHER), Some(OTHER)).expect("root may");
    for path in [&theirs, &ours] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("root may");
    }
    run(&theirs);
    assert_eq!(fs::read_dir(&ours).expect("it is there").count(), 0);
    // A link that leads to a directory of the user's own.
    let own = scratch("own");
    chown(&own, Some(NOBODY), Some(NOBODY)).expect("root may");
    fs::remove_dir(&ours).expect("it is empty");
    symlink(&own, &ours).expect("it is new");
    run(&theirs);
    assert_eq!(fs::read_dir(&own).expect("it is there").count(), 0);
}

#[test]
fn an_agent_tells_its_state_to_its_own_user_alone() {
    let ready = Ready::new(1_000);
    let runtime = scratch("runtime");
    chown(&runtime, Some(NOBODY), Some(NOBODY)).expect("root may");
    let script = "state=$XDG_RUNTIME_DIR/mptcpize/relay/run-$$/state; \
                  stat -c %a $state ${state%/*}; \
                  python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); \
                  s.connect(sys.argv[1]); print(s.makefile().read())' $state";
    let run = ready.run(User::Nobody, "sh").args(["-c", script]).env("XDG_RUNTIME_DIR", &runtime);
    let said = run.run().silent().stdout;
    let (modes, state) = said.split_once('{').expect("it answers");
    assert_eq!(modes, "600\n700\n");
    assert!(state.contains("rented") && !state.contains("WlpaWlpa"), "{state}");
    wait::until("all its directories to go", || !runtime.join("mptcpize").exists());
}

#[test]
fn a_relay_s_name_is_a_name_and_what_is_not_is_shown_harmlessly() {
    let ready = Ready::new(1_000);
    for (wanted, code) in [
        ("../../etc/passwd", 2),
        ("\u{1b}[2J", 2),
        ("ss://2022-blake3-aes-128-gcm:WlpaWlpaWlpaWlpaWlpaWg%3D%3D@198.51.100.7", 2),
        ("ss://aes-128-gcm:WlpaWlpaWlpaWlpaWlpaWg%3D%3D@198.51.100.7:8686", 2),
        ("nowhere", 5),
    ] {
        for nobody in [false, true] {
            let said = ready.relays.as_user(nobody).args(["--relay", wanted, "true"]).run();
            assert_eq!(said.code(), code, "{said}");
            let escapes = said.stderr.contains('\u{1b}');
            assert!(!escapes && !said.stderr.contains("WlpaWlpa"), "{said}");
        }
    }
}

#[test]
fn a_program_cannot_reach_an_agent_s_memory_or_its_settings() {
    let ready = Ready::new(1_000);
    // Of root the agent is another user's; the one of an ordinary user is that user's own.
    let script = "for pid in $(pgrep -x mptcpize-relay); do \
                  for fd in /proc/$pid/fd/*; do readlink $fd; done; done 2>/dev/null | \
                  grep -c settings";
    let run = ready.run(User::Root, "setpriv");
    let id = NOBODY.to_string();
    let run = run.args(["--reuid", &id, "--clear-groups", "sh", "-c", script]);
    assert_eq!(run.run().stdout.trim(), "0");
}

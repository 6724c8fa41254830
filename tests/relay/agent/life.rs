//! The agent's life: what it cannot start with, and who may ask it.

use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::agent::lab::{Bed, known};
use crate::support::{Cmd, scratch, tool};
use mptcpize_model::relay::key::Key;

#[test]
fn without_a_socket_it_says_what_is_missing() {
    let bed = Bed::new();
    let settings = bed.settings(&[&known(0, Key::new(vec![0; 16]))]);
    let file = scratch("agent").join("settings.json");
    std::fs::write(&file, serde_json::to_string(&settings).unwrap()).unwrap();
    let run = || Cmd::new(tool::binary()).args(["agent", "--settings"]).arg(&file).run();
    run().says(
        5,
        "error: cannot take connections\n  why: no socket was handed over (LISTEN_FDS)\n  \
         fix: start it by mptcpize relay agent\n",
    );
    // A key is nothing for a log, also where it is wrong.
    let text =
        std::fs::read_to_string(&file).unwrap().replace("AAAAAAAAAAAAAAAAAAAAAA==", "SECRET==");
    std::fs::write(&file, text).unwrap();
    let said = run();
    assert_eq!(said.code(), 1, "{said}");
    assert!(said.stderr.contains("no base64") && !said.stderr.contains("SECRET"), "{said}");
}

#[test]
fn told_to_end_it_ends_when_its_last_connection_has() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let mut settings = bed.settings(&[&relay.known]);
    settings.drain_s = 600;
    let mut agent = bed.agent(&settings);
    let (near, far) = bed.connect(&bed.serve(crate::agent::lab::WEB_V4));
    agent.signal(Signal::TERM);
    assert!(!agent.running.ended());
    drop((near, far));
    agent.running.finish().ok();
}

#[test]
fn its_state_is_for_root_and_its_own_user_and_holds_no_key() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let agent = bed.agent(&bed.settings(&[&relay.known]));
    let held = bed.connect(&bed.serve(crate::agent::lab::WEB_V4));
    let text = serde_json::to_string(&agent.state()).unwrap();
    assert!(!text.contains(&relay.known.keys[0].base64()), "{text}");
    assert!(text.contains("\"from\":\"10.1.0.1:"), "{text}");
    let path = agent.state_socket();
    assert!(UnixStream::connect(&path).is_ok());
    let script = "import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
sys.exit(s.recv(1) != b'')";
    // Another user, whom the mode does not keep out.
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let other = ["--reuid=12345", "--clear-groups", "python3", "-c", script];
    Cmd::new("setpriv").args(other).arg(&path).run().ok();
    drop(held);
}

//! `status`, `top` and `metrics` of a host that is a gateway, as its relay's answers have it; and relays
//! that mean them no good.
//!
//! Not here: a real relay, whose own tests (tests/relay/state.rs) compare what it says with the kernel.

use std::fs;

use serde_json::Value;

use crate::support::mounts::private;
use crate::support::states::told;
use crate::support::{Cmd, Netns, Outcome, scratch};
use mptcpize_model::gateway_status::State;

/// A relay: at each question 200 ms and 1,030,000 bytes more have passed. `$ANSWER` is how it answers.
pub(crate) const RELAY: &str = r#"
import itertools, json, os, socket, sys
path, answer, state = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))
s = socket.socket(socket.AF_UNIX)
SO_NETNS_COOKIE = 71
state['netns'] += int.from_bytes(s.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)
s.bind(path)
os.chmod(path, 0o600)
s.listen()
print('listens', flush=True)
kept = []
for turn in itertools.count(1):
    c = s.accept()[0]
    try:
        if answer == 'state':
            state['running_ms'] += 200
            for client in state.get('clients', [])[:1]: client['down_bytes'] += 1030000
            c.sendall(json.dumps(state).encode())
        elif answer == 'endless':
            while True: c.sendall(b'[' * 65536)
        elif answer == 'odd':
            c.sendall(b'{"version": 1, "pid": "\x1b[2J"}')
        elif answer == 'silent':
            kept.append(c)
    except OSError:
        pass
    c.close() if answer != 'silent' else None
"#;

/// What it says first.
pub(crate) fn state() -> State {
    State { netns: 0, ..told(0, 0) }
}

/// A script on a host with a LAN, whose relay answers so.
fn host(answer: &str, elsewhere: u64, script: &str) -> Outcome {
    let home = scratch("lan");
    let state = State { netns: elsewhere, ..state() };
    let (text, relay) = (home.join("state.json"), home.join("relay.py"));
    fs::write(&text, serde_json::to_string(&state).expect("plain data")).expect("a scratch file");
    fs::write(&relay, RELAY).expect("a scratch file");
    let net = Netns::new();
    net.ip("link add br0 type bridge");
    net.ip("link set lo up");
    let settings = r#"{"port": 1, "lan": ["br0"], "uplinks": []}"#;
    let script = format!(
        "cover /run
         mkdir -m 755 -p /run/mptcpize/gateway
         echo '{settings}' > /run/mptcpize/gateway/settings.json
         exec 3< <(exec python3 {} /run/mptcpize/gateway/state {answer} {})
         relay=$!
         trap 'kill $relay || true' EXIT
         read -r <&3
         {script}",
        relay.display(),
        text.display()
    );
    private(&script).within(&net).run()
}

fn status(answer: &str, elsewhere: u64) -> Value {
    let said = host(answer, elsewhere, "/mnt/mptcpize status -j || test $? = 3").ok().stdout;
    serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"))
}

#[test]
fn status_top_and_metrics_show_what_the_relay_says() {
    let shown = &status("state", 0)["gateway"];
    assert_eq!(
        (&shown["relay"], &shown["links"]),
        (&"running".into(), &serde_json::json!(["br0"]))
    );
    let client = &shown["clients"][0];
    assert_eq!((&client["address"], &client["open"]), (&"192.168.77.2".into(), &12.into()));
    assert_eq!((&client["down_bit_s"], &client["up_bit_s"]), (&41_200_000.into(), &0.into()));
    assert_eq!(shown["uplinks"][1]["failures"], 3);
    let screen = host("state", 0, "/mnt/mptcpize status || test $? = 3").ok().stdout;
    assert!(screen.contains("\n192.168.77.2 ") && screen.contains(" 41.2 Mbit/s "), "{screen}");
    let frame = host("state", 0, "/mnt/mptcpize top --once || test $? = 3").ok().stdout;
    let row = frame.lines().find(|line| line.starts_with(" 192.168.77.2 "));
    assert!(row.is_some_and(|row| row.contains(" 41.2 ")), "{frame}");
    let text = host("state", 0, "/mnt/mptcpize metrics --form prometheus").ok().stdout;
    Cmd::line("promtool check metrics").input(text.as_str()).run().silent();
    for sample in [
        "mptcpize_gateway_up 1",
        "mptcpize_gateway_client_down_bytes_total{client=\"192.168.77.2\"} 1301030000",
        "mptcpize_gateway_uplink_passed_by{link=\"wwan0\"} 1",
        "mptcpize_gateway_carried_connections_total{kind=\"multipath\"} 3916",
        "mptcpize_gateway_refused_connections_total{reason=\"limit_per_client\"} 12",
        "mptcpize_gateway_refused_connections_total{reason=\"own_address\"} 0",
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample}: {text}");
    }
}

#[test]
fn a_relay_that_does_not_answer_as_it_should_is_told_and_holds_up_nothing() {
    for (answer, why) in [
        ("silent", "it does not answer in a second"),
        ("endless", "too long"),
        ("odd", "its answer is not understood"),
        ("empty", "it closed without an answer"),
    ] {
        let shown = status(answer, 0);
        let said = shown["gateway"]["why"].as_str().unwrap_or_default();
        assert!(said.contains(why), "{answer}: {shown}");
        assert_eq!(shown["gateway"]["relay"], "silent");
        assert_eq!(shown["attention"], true);
        assert!(!said.contains('\x1b'), "{said}");
        let text = host(answer, 0, "/mnt/mptcpize metrics").ok().stdout;
        assert!(text.contains("\nmptcpize_gateway_up 0\n"), "{text}");
    }
    let dead = "kill $relay; wait $relay || true; /mnt/mptcpize status || test $? = 3";
    let screen = host("state", 0, dead).ok().stdout;
    assert!(screen.contains("nobody listens at its socket"), "{screen}");
}

#[test]
fn the_gateway_of_another_namespace_and_one_that_others_made_are_not_shown() {
    assert_eq!(status("state", 1)["gateway"], Value::Null);
    let others = "chown 65534 /run/mptcpize/gateway; /mnt/mptcpize metrics";
    let text = host("state", 0, others).ok().stdout;
    assert!(!text.contains("gateway_up"), "{text}");
}

#[test]
fn who_is_not_root_is_told_that_only_root_may_ask() {
    let screen = host("state", 0, "nobody /mnt/mptcpize status || test $? = 3").ok().stdout;
    assert!(screen.contains("\ngateway     only root may ask its relay\n"), "{screen}");
    let text = host("state", 0, "nobody /mnt/mptcpize metrics").ok().stdout;
    assert!(!text.contains("gateway_up"), "{text}");
}

//! `status`, `top` and `metrics` beside a program that is under `run --relay`: what a real agent says reaches the
//! screen. What is made of agents' answers in general is the room `show`'s.

use serde_json::Value;

use crate::lab::{Ready, User, WEB_V4, file_at};
use crate::support::wait;

/// Connects, and holds the connection until it is killed.
const HOLD: &str = "
import signal, socket, sys
held = socket.create_connection((sys.argv[1], 80))
signal.pause()";

#[test]
fn a_connection_under_run_is_told_with_the_relay_that_it_goes_through() {
    let ready = Ready::new(1_000);
    let client = ready.relays.client();
    let _holding = ready.run(User::Root, "python3").args(["-c", HOLD, WEB_V4]).start();
    let mut shown = Value::Null;
    wait::until("the connection in status", || {
        let said = client.tool("status -j").run().stdout;
        shown = serde_json::from_str(&said).unwrap_or_default();
        shown["relays"][0]["connections"][0].is_object()
    });
    let agent = &shown["relays"][0];
    assert!(agent["agent"].as_str().is_some_and(|name| name.starts_with("run-")), "{agent}");
    assert_eq!((&agent["chosen"], &agent["fallback_in_force"]), (&"rented".into(), &false.into()));
    assert_eq!(agent["relays"][0]["mptcp"], true, "{agent}");
    let connection = &agent["connections"][0];
    assert_eq!(connection["to"], format!("{WEB_V4}:80"));
    assert_eq!(connection["via"]["relay"], "rented");
    let metrics = client.tool("metrics").run().ok().stdout;
    let sample = "mptcpize_relay_connections{agent=\"run\",relay=\"rented\"} 1";
    assert!(metrics.lines().any(|line| line == sample), "{metrics}");
}

#[test]
fn top_shows_what_a_relay_and_a_connection_through_it_carry_now() {
    let ready = Ready::new(20_000_000);
    let load = format!("while :; do curl -sS -o /dev/null {}; done", file_at(WEB_V4));
    let _loading = ready.run(User::Root, "sh").args(["-c", &load]).start();
    // The rate is the column after the round trip, or after the destination.
    let moves = |line: &str, column: usize| {
        let word = line.split_whitespace().nth(column).unwrap_or_default();
        word.parse::<f64>().is_ok_and(|rate| rate > 0.0)
    };
    let mut frame = String::new();
    let came = wait::comes(|| {
        frame = ready.relays.client().tool("top --once").run().stdout;
        let find = |begin: &str| frame.lines().find(|line| line.starts_with(begin));
        let relay = find(" rented (run-").filter(|line| line.contains(" used, MPTCP"));
        let connection =
            find(&format!("   > {WEB_V4}:80 ")).filter(|line| line.ends_with("  relay rented"));
        let rates = find(" relay ").is_some_and(|line| line.contains(" Mbit/s "));
        rates
            && relay.is_some_and(|line| moves(line, 5))
            && connection.is_some_and(|line| moves(line, 2))
    });
    assert!(came, "{frame}");
}

//! `mptcpize relay test` of a relay whose clock is off by more than is tried: the time that its host tells
//! by ICMP is tried too, whether it is true or a lie.
//!
//! Not here: clocks that are found without it (probed.rs).

use serde_json::Value;

use crate::lab::{PORT, Relays, relay_binary};
use crate::support::cc::{self, Build};
use crate::support::{Netns, Running, scratch, serve};

/// By so much the relay's clock is ahead: more than a quarter of an hour, and no whole hours.
const AHEAD_S: i64 = 1_234;

/// Answers the Timestamp message (RFC 792) by a clock that is so many seconds ahead, before the kernel
/// sees it; and listens at a port once it does.
const CLOCK: &str = "
import socket, struct, sys, time
ahead_s, port = int(sys.argv[1]), int(sys.argv[2])
near = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
ready = socket.create_server(('127.0.0.1', port))
while True:
    packet = near.recv(65536)
    message = packet[(packet[0] & 15) * 4:]
    if packet[9] != 1 or message[0] != 13: continue
    now = int((time.time() + ahead_s) * 1000) % 86400000
    answer = bytearray(struct.pack('!BBH', 14, 0, 0) + message[4:12] + struct.pack('!II', now, now))
    total = sum(struct.unpack('!10H', answer))
    while total > 0xffff: total = (total & 0xffff) + (total >> 16)
    struct.pack_into('!H', answer, 2, ~total & 0xffff)
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    out.bind((socket.inet_ntoa(packet[16:20]), 0))
    out.sendto(bytes(answer), (socket.inet_ntoa(packet[12:16]), 0))
";

/// Somebody at the relay's host who tells a time.
fn tells(host: &Netns, ahead_s: i64) -> Running {
    let port = 8_687;
    let clock = host.command("python3").args(["-c", CLOCK, &ahead_s.to_string()]);
    serve::listening(host, clock.arg(port.to_string()).quiet(), port)
}

/// The relay of these settings, in a program whose clock is ahead.
fn relay_ahead(relays: &Relays) -> Running {
    let text = serde_json::to_string(&relays.relay_settings()).expect("settings are JSON");
    let file = scratch::file(&scratch("ahead").join("settings.json"), text, 0o600);
    let server = relays.lab.server.net.command(relay_binary()).args(["server", "--settings"]);
    let server = server.arg(file).env("AHEAD_S", AHEAD_S.to_string());
    let server = server.env("LD_PRELOAD", cc::c("ahead", Build::Library));
    serve::listening(&relays.lab.server.net, server, PORT)
}

/// The first of the verdict: its code, its title, and why.
#[track_caller]
fn verdict(relays: &Relays, url: &str) -> [String; 3] {
    let outcome = relays.client().tool("relay test --json --seconds 5").arg(url).run();
    let said: Value =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome}"));
    assert_eq!(outcome.code(), 3, "{outcome}");
    ["code", "title", "why"]
        .map(|key| said["verdict"][0][key].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_clock_that_no_trial_meets_is_found_by_the_time_that_the_relay_s_host_tells() {
    let relays = Relays::new();
    let host = &relays.lab.server.net;
    // Known by a relay that is here for its URL alone.
    let url = relays.relay().url();
    let _relay = relay_ahead(&relays);
    // The host's own kernel has this machine's time, which the relay's program has not.
    let [code, _, why] = verdict(&relays, &url);
    assert_eq!(code, "relay.key", "{why}");
    assert!(!why.contains("quarter of an hour"), "the kernel answers: {why}");
    host.filter("eth", "icmp type timestamp-request drop");
    let [code, _, why] = verdict(&relays, &url);
    assert_eq!(code, "relay.key", "{why}");
    assert!(why.contains("a clock is off by more than a quarter of an hour"), "{why}");
    for (said_s, wanted, part) in [
        // A lie moves nobody to another verdict than silence does.
        (AHEAD_S + 3_000, "relay.key", "the relay's host tells another time than this one"),
        (AHEAD_S, "relay.clock", "30 s at most"),
        // Of another day only the time of the day is told.
        (AHEAD_S - 2 * 86_400, "relay.clock", "30 s at most"),
    ] {
        let _clock = tells(host, said_s);
        let [code, title, why] = verdict(&relays, &url);
        assert_eq!(code, wanted, "{said_s}: {title}: {why}");
        assert!(why.contains(part), "{said_s}: {why}");
        let of_clock = title == "this host's clock is 21 min behind the relay's";
        assert_eq!(of_clock, wanted == "relay.clock", "{said_s}: {title}");
    }
}

//! The promise: with two links of 50 Mbit/s, an unchanged program transfers faster than either
//! link could, and the interfaces' byte counters show that both carried it.
//!
//! The rate is compared with plain TCP over the same links in the same run: a ratio, which does
//! not depend on how fast the machine is.

mod support;

use support::kernel::{Traffic, accepted};
use support::lab::{Lab, SERVER};
use support::serve::{self, content};
use support::{Way, scratch};

const PORT: u16 = 8080;
/// Long enough that the start of the transfer (slow start, the second subflow's handshake) is a
/// small part of it: 2.7 s over one link.
const SIZE: usize = 16_000_000;

/// Runs curl on the client; returns bytes per second as curl measured them.
fn curl(lab: &Lab, way: Way, arguments: &[&str]) -> f64 {
    let command = way.command("curl").arg("-sSf").args(arguments);
    let command = command.arg(format!("http://{SERVER}:{PORT}/file"));
    let done = lab.on_client(command).run().silent();
    done.stdout.trim().parse().expect("curl prints a number")
}

/// The two measurements of one direction: `transfer` returns the rate, `bytes` reads a link's
/// counter.
fn faster_than_one(lab: &Lab, transfer: impl Fn(Way) -> f64, bytes: fn(Traffic) -> u64) {
    let measured = |way| {
        let before = lab.traffic();
        let rate = transfer(way);
        let carried: Vec<u64> =
            lab.traffic().iter().zip(before).map(|(now, then)| bytes(*now) - bytes(then)).collect();
        (rate, carried)
    };
    let (single, carried) = measured(Way::Native);
    assert!(carried[1] < SIZE as u64 / 100, "plain TCP stays on the first link: {carried:?}");
    assert_eq!(accepted(&lab.server), 0, "plain TCP is no MPTCP");

    let (both, carried) = measured(Way::Tool);
    let shown = format!(
        "one link {:.1} Mbit/s, both {:.1} Mbit/s, bytes per link {carried:?}",
        single * 8e-6,
        both * 8e-6
    );
    println!("{shown}");
    assert_eq!(accepted(&lab.server), 1, "one MPTCP connection");
    for bytes in &carried {
        assert!(*bytes > SIZE as u64 / 5, "a link carried less than a fifth: {shown}");
    }
    assert!(both > 1.6 * single, "less than 1.6 times one link: {shown}");
}

/// Two links, and a client that uses them.
fn lab() -> Lab {
    let lab = Lab::two_paths(&["50mbit", "50mbit"]);
    lab.multipath();
    lab
}

#[test]
fn a_download_uses_both_links_and_is_faster_than_one() {
    let lab = lab();
    let (directory, bytes) = content(SIZE);
    let _server = serve::python(&lab.server, Way::Tool, &directory, PORT);
    let out = scratch("download").join("file");
    let name = out.to_str().expect("our name is text");
    let transfer = |way| {
        let rate = curl(&lab, way, &["-w", "%{speed_download}", "-o", name]);
        assert!(std::fs::read(&out).is_ok_and(|got| got == bytes), "it arrived otherwise");
        rate
    };
    faster_than_one(&lab, transfer, |link| link.received);
}

#[test]
fn an_upload_uses_both_links_and_is_faster_than_one() {
    let lab = lab();
    let (directory, bytes) = content(SIZE);
    let stored = scratch("stored");
    let _server = serve::store(&lab.server, Way::Tool, &stored, PORT);
    let file = directory.join("file");
    let name = file.to_str().expect("our name is text");
    let transfer = |way| {
        // Without curl's question whether to send at all, which this server does not answer.
        let rate = curl(&lab, way, &["-w", "%{speed_upload}", "-H", "Expect:", "-T", name]);
        let got = std::fs::read(stored.join("file"));
        assert!(got.is_ok_and(|got| got == bytes), "it arrived otherwise");
        rate
    };
    faster_than_one(&lab, transfer, |link| link.sent);
}

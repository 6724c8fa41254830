//! The promise: with two links of 50 Mbit/s, an unchanged program transfers faster than either
//! link could, and the interfaces' byte counters show that both carried it.
//!
//! The rate is compared with plain TCP over the same links in the same run: a ratio, which does
//! not depend on how fast the machine is.

mod support;

use support::kernel::accepted;
use support::lab::{Lab, SERVER};
use support::serve::{self, content};
use support::{Way, scratch};

const PORT: u16 = 8080;
/// Long enough that the start of the transfer (slow start, the second subflow's handshake) is a
/// small part of it: 2.7 s over one link.
const SIZE: usize = 16_000_000;

/// Downloads the file on the client; returns bytes per second, as curl measured it, and how many
/// bytes each link received meanwhile.
fn download(lab: &Lab, way: Way, bytes: &[u8]) -> (f64, Vec<u64>) {
    let before = lab.traffic();
    let out = scratch("download").join("file");
    let command = way.command("curl").args(["-sS", "-w", "%{speed_download}", "-o"]).arg(&out);
    let done = lab.on_client(command.arg(format!("http://{SERVER}:{PORT}/file"))).run().silent();
    let after = lab.traffic();
    assert!(std::fs::read(&out).is_ok_and(|got| got == bytes), "the file arrived otherwise");
    let speed = done.stdout.trim().parse().expect("curl prints a number");
    let carried =
        after.iter().zip(&before).map(|(after, before)| after.received - before.received).collect();
    (speed, carried)
}

#[test]
fn a_transfer_uses_both_links_and_is_faster_than_one() {
    let lab = Lab::two_paths(&["50mbit", "50mbit"]);
    lab.multipath();
    let (directory, bytes) = content(SIZE);
    let _server = serve::python(&lab.server, Way::Tool, &directory, PORT);

    let (single, carried) = download(&lab, Way::Native, &bytes);
    assert!(carried[1] < SIZE as u64 / 100, "plain TCP stays on the first link: {carried:?}");
    assert_eq!(accepted(&lab.server), 0, "plain TCP is no MPTCP");

    let (both, carried) = download(&lab, Way::Tool, &bytes);
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

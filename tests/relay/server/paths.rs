//! A link that is cut in the middle of a transfer, with nothing that tells of it.

use std::io::{Read, Write};
use std::thread;

use super::rented::{Rented, WEB_V4, settings};
use crate::lan::content;
use crate::support::Cmd;

const BYTES: usize = 20_000_000;
const RATES: [&str; 2] = ["100mbit", "100mbit"];

/// The digest that coreutils compute.
fn sha256(bytes: &[u8]) -> String {
    Cmd::new("sha256sum").input(bytes).run().ok().stdout
}

/// Sends it all, and what came; the first link is cut when a quarter has come.
fn moved(rented: &Rented, mut from: impl Write + Send, mut to: impl Read, bytes: &[u8]) -> Vec<u8> {
    thread::scope(|scope| {
        scope.spawn(move || from.write_all(bytes).unwrap());
        let mut came = vec![0; bytes.len()];
        let (first, rest) = came.split_at_mut(bytes.len() / 4);
        to.read_exact(first).unwrap();
        let rules = "table netdev cut {
            chain in { type filter hook ingress device r1 priority 0; policy drop; }
        }
        table inet cut {
            chain out { type filter hook postrouting priority 0; oifname r1 drop; }
        }";
        rented.lab.router.command("nft").args(["-f", "-"]).input(rules).run().ok();
        to.read_exact(rest).unwrap();
        came
    })
}

#[test]
fn a_transfer_loses_no_byte_when_a_link_is_cut_in_the_middle() {
    let bytes = content(BYTES);
    let digest = sha256(&bytes);
    for up in [true, false] {
        let rented = Rented::new(&RATES);
        let settings = settings();
        let _relay = rented.relay(&settings);
        let listener = rented.serve(WEB_V4);
        let (near, far) = rented.connect(&rented.client(&settings), &listener);
        let before = rented.lab.traffic();
        let came = match up {
            true => moved(&rented, near, far, &bytes),
            false => moved(&rented, far, near, &bytes),
        };
        assert_eq!(sha256(&came), digest, "up: {up}");
        for (one, other) in before.iter().zip(&rented.lab.traffic()) {
            let moved = (other.sent - one.sent) + (other.received - one.received);
            assert!(moved > 1_000_000, "up: {up}: a link carried {moved} bytes");
        }
    }
}

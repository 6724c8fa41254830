//! What connections cost: nothing once they are over, and little while they wait.

use std::io::Write;

use super::rented::{Rented, WEB_V4, once, settings};
use super::strangers::memory;
use crate::lan::content;

#[test]
fn connections_that_are_over_leave_nothing_behind() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    let listener = rented.serve(WEB_V4);
    let bytes = content(20_000);
    let short = || {
        let (mut near, mut far) = rented.connect(&client, &listener);
        far.write_all(&bytes).unwrap();
        drop(far);
        assert_eq!(near.rest().unwrap().len(), bytes.len());
    };
    let mut held = Vec::new();
    for _ in 0..3 {
        (0..600).for_each(|_| short());
        once(&relay, |state| state.all.open == 0);
        held.push(memory(relay.running.pid()));
    }
    // Of each request its salt is remembered for a minute.
    let grown = held[2].saturating_sub(held[1]);
    assert!(grown < 500_000, "{held:?}");
}

#[test]
fn a_connection_that_waits_costs_little() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    let listener = rented.serve(WEB_V4);
    let mut idle: Vec<_> = (0..50).map(|_| rented.connect(&client, &listener)).collect();
    let before = memory(relay.running.pid());
    idle.extend((0..300).map(|_| rented.connect(&client, &listener)));
    once(&relay, |state| state.all.open == 350);
    let each = memory(relay.running.pid()).saturating_sub(before) / 300;
    assert!(each < 16_384, "{each} bytes for a connection that waits");
}

//! One connection from end to end: its bytes, its halves, its end.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;

use crate::agent::lab::{Bed, RENTED_V4, WEB_V4, WEB_V6};
use crate::lan::{content, moved, outcome, send};

#[test]
fn every_byte_arrives_both_ways_over_both_links_at_a_server_without_mptcp() {
    let bed = Bed::slow();
    let relay = bed.rent(0);
    let agent = bed.agent(&bed.settings(&[&relay.known]));
    let bytes = content(6_000_000);
    for address in [WEB_V4, WEB_V6] {
        let at = bed.serve(address);
        let (mut near, mut far) = bed.connect(&at);
        assert_eq!(near.peer_addr().unwrap(), at.1, "the program sees its own destination");
        if address == WEB_V4 {
            assert_eq!(far.peer_addr().unwrap().ip().to_string(), RENTED_V4);
        }
        let count = || -> Vec<u64> {
            bed.lab.traffic().iter().map(|one| one.received + one.sent).collect()
        };
        let before = count();
        assert!(moved(&mut near, &mut far, &bytes) == bytes, "{address}: up");
        let between = count();
        assert!(moved(&mut far, &mut near, &bytes) == bytes, "{address}: down");
        let after = count();
        for (one, other) in [(&before, &between), (&between, &after)] {
            let shares: Vec<u64> = one.iter().zip(other).map(|(one, other)| other - one).collect();
            assert!(shares.iter().all(|share| *share > 1_000_000), "{address}: {shares:?}");
        }
    }
    let said = agent.stop();
    assert!(said.contains("over the relay relay-0, 6000000 bytes up, 6000000 down"), "{said}");
}

#[test]
fn a_reset_of_either_end_resets_the_other() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let at = bed.serve(WEB_V4);
    for turn in 0..2 {
        let (near, far) = bed.connect(&at);
        let (mut first, mut second) = if turn == 0 { (near, far) } else { (far, near) };
        first.write_all(b"last").unwrap();
        second.read_exact(&mut [0; 4]).unwrap();
        let now = Some(std::time::Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&first, now).unwrap();
        drop(first);
        let error = second.read(&mut [0]).expect_err("it was reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "turn {turn}");
    }
}

#[test]
fn either_half_ends_while_the_other_goes_on() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let at = bed.serve(WEB_V4);
    for turn in 0..2 {
        let (mut near, mut far) = bed.connect(&at);
        let (first, second) = if turn == 0 { (&mut near, &mut far) } else { (&mut far, &mut near) };
        assert_eq!(moved(first, second, b"over"), b"over");
        for _ in 0..3 {
            second.write_all(b"more").unwrap();
            first.read_exact(&mut [0; 4]).unwrap();
        }
        assert_eq!(moved(second, first, b"end"), b"end");
    }
}

#[test]
fn a_server_that_answers_nothing_ends_like_one_that_has_taken_all() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let (mut near, mut far) = bed.connect(&bed.serve(WEB_V4));
    assert_eq!(moved(&mut near, &mut far, b"a file"), b"a file");
    drop(far);
    assert_eq!(near.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_server_that_speaks_first_is_heard_without_a_word_of_the_program() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let (mut near, mut far) = bed.connect(&bed.serve(WEB_V4));
    far.write_all(b"220 ready").unwrap();
    let mut greeting = [0; 9];
    near.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220 ready");
    near.write_all(b"EHLO").unwrap();
    far.read_exact(&mut [0; 4]).unwrap();
}

#[test]
fn a_destination_that_refuses_resets_the_program() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let (listener, at) = bed.serve(WEB_V4);
    drop(listener);
    assert_eq!(outcome(bed.client(), at), ErrorKind::ConnectionReset);
}

#[test]
fn a_link_that_is_cut_in_mid_transfer_loses_nothing() {
    let bed = Bed::with(&["50mbit", "50mbit"]);
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let bytes = content(8_000_000);
    let (mut near, mut far) = bed.connect(&bed.serve(WEB_V4));
    let came = thread::scope(|scope| {
        scope.spawn(|| {
            send(&mut far, &bytes);
        });
        let mut came = vec![0; 2_000_000];
        near.read_exact(&mut came).unwrap();
        bed.client().ip("link set w1 down");
        near.read_to_end(&mut came).unwrap();
        came
    });
    assert!(came == bytes, "{} bytes came", came.len());
}

#[test]
fn a_relay_that_is_killed_in_mid_transfer_resets_the_program() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let (mut near, mut far) = bed.connect(&bed.serve(WEB_V4));
    far.write_all(&content(500_000)).unwrap();
    near.read_exact(&mut [0; 1000]).unwrap();
    relay.running.stop();
    let ended = near.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
    near.shutdown(Shutdown::Both).unwrap_or_default();
}

#[test]
fn an_agent_that_is_killed_in_mid_transfer_resets_both_ends() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let agent = bed.agent(&bed.settings(&[&relay.known]));
    let (mut near, mut far) = bed.connect(&bed.serve(WEB_V4));
    far.write_all(b"part").unwrap();
    near.read_exact(&mut [0; 4]).unwrap();
    agent.stop();
    for end in [&mut near, &mut far] {
        let ended = end.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(ended, Err(ErrorKind::ConnectionReset));
    }
}

#[test]
fn hundreds_of_connections_leave_no_memory_behind() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let mut settings = bed.settings(&[&relay.known]);
    settings.log = false;
    let agent = bed.agent(&settings);
    let at = bed.serve(WEB_V4);
    let turn = |times: usize| {
        for _ in 0..times {
            let (mut near, mut far) = bed.connect(&at);
            assert_eq!(moved(&mut near, &mut far, b"question"), b"question");
            assert_eq!(moved(&mut far, &mut near, b"answer"), b"answer");
        }
        crate::thin::rss(agent.running.pid())
    };
    let before = turn(300);
    let after = turn(300);
    assert!(after < before + (128 << 10), "{before} bytes, then {after}");
}

//! Placement against counters and clocks that a test makes up.

use std::time::Duration;

use super::*;
use mptcpize_model::net::IfName;

fn uplinks(number: u8) -> Vec<Uplink> {
    let uplink = |place| Uplink {
        dev: IfName::new(&format!("w{place}")).expect("a name"),
        addresses: vec![IpAddr::from([10, place, 0, 1])],
        weight: 1,
        backup: false,
    };
    (1..=number).map(uplink).collect()
}

fn client(number: u8) -> IpAddr {
    IpAddr::from([192, 168, 77, number])
}

fn server(number: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number], 443))
}

const fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Places a connection and says where.
fn place(placement: &mut Placement, now: Duration, from: u8, to: u8) -> usize {
    let attempts = placement.attempts(now, client(from), server(to));
    let made = attempts[0];
    let (place, _) = made.uplink.expect("an uplink");
    placement.begun(now, client(from), server(to).ip(), place);
    placement.connected(now, (client(from), server(to)), made, &[], false);
    place
}

#[test]
fn connections_that_begin_together_are_spread_evenly() {
    let mut placement = Placement::new(&uplinks(3));
    let mut counts = [0; 3];
    for number in 0..12 {
        counts[place(&mut placement, at(0), 1, number)] += 1;
    }
    assert_eq!(counts, [4, 4, 4]);
}

#[test]
fn a_connection_that_is_multipath_leaves_its_uplink_to_others() {
    let mut placement = Placement::new(&uplinks(2));
    for number in 0..5 {
        let made = placement.attempts(at(0), client(1), server(100 + number))[0];
        let (first, _) = made.uplink.expect("an uplink");
        placement.begun(at(0), client(1), server(100 + number).ip(), first);
        placement.connected(at(0), (client(1), server(100 + number)), made, &[], true);
    }
    let mut counts = [0; 2];
    for number in 0..12 {
        counts[place(&mut placement, at(0), 1, number)] += 1;
    }
    assert_eq!(counts, [6, 6]);
}

#[test]
fn connections_that_have_ended_are_not_busy_until_the_next_sample() {
    let mut placement = Placement::new(&uplinks(2));
    placement.sample(at(0), 0, (0, 0), 0);
    placement.sample(at(0), 1, (0, 0), 0);
    // Both links are full, the first by three connections that end right after.
    placement.sample(at(500), 0, (1_000_000, 0), 3);
    placement.sample(at(500), 1, (1_000_000, 0), 1);
    for _ in 0..3 {
        placement.ended(0);
    }
    let mut counts = [0; 2];
    for number in 0..7 {
        counts[place(&mut placement, at(600), 1, number)] += 1;
    }
    assert_eq!(counts, [4, 3]);
}

#[test]
fn connections_that_have_moved_nothing_yet_count_in_the_next_sample() {
    let mut placement = Placement::new(&uplinks(2));
    let sample = |placement: &mut Placement, now, bytes| {
        for place in 0..2 {
            placement.sample(at(now), place, (bytes, 0), 0);
        }
    };
    sample(&mut placement, 0, 0);
    let mut counts = [0; 2];
    for number in 0..3 {
        counts[place(&mut placement, at(1), 1, number)] += 1;
    }
    assert_eq!(counts, [2, 1]);
    // Both links are full, of others' bytes.
    sample(&mut placement, 500, 1_000_000);
    assert_eq!(place(&mut placement, at(510), 1, 3), 1);
}

#[test]
fn weights_are_shares() {
    let mut three = uplinks(2);
    three[1].weight = 3;
    let mut placement = Placement::new(&three);
    let mut counts = [0; 2];
    for number in 0..12 {
        counts[place(&mut placement, at(0), 1, number)] += 1;
    }
    assert_eq!(counts, [3, 9]);
}

#[test]
fn a_client_stays_on_one_uplink_towards_one_address() {
    let mut placement = Placement::new(&uplinks(3));
    let first = place(&mut placement, at(0), 1, 1);
    for number in 2..20 {
        place(&mut placement, at(10), number, number);
        assert_eq!(place(&mut placement, at(20), 1, 1), first);
    }
}

#[test]
fn a_full_uplink_gets_nothing_while_another_is_free() {
    let mut placement = Placement::new(&uplinks(2));
    for (now, full) in [(0, 0), (1_000, 5_000_000), (2_000, 10_000_000)] {
        placement.sample(at(now), 0, (full, 0), 1);
        placement.sample(at(now), 1, (full / 2, 0), 0);
    }
    // The second uplink has carried half as much, and nothing of it is told as a connection.
    placement.sample(at(3_000), 0, (15_000_000, 0), 2);
    placement.sample(at(3_000), 1, (5_000_000, 0), 0);
    assert_eq!(place(&mut placement, at(3_000), 1, 1), 1);
}

#[test]
fn a_link_four_times_as_fast_gets_four_times_as_many() {
    let mut placement = Placement::new(&uplinks(2));
    for (now, bytes) in [(0, 0), (1_000, 1_000_000)] {
        placement.sample(at(now), 0, (bytes, 0), 1);
        placement.sample(at(now), 1, (bytes * 4, 0), 4);
    }
    // Both have been full, and are idle now.
    placement.sample(at(2_000), 0, (1_000_000, 0), 0);
    placement.sample(at(2_000), 1, (4_000_000, 0), 0);
    let mut counts = [0; 2];
    for number in 0..10 {
        counts[place(&mut placement, at(2_000), 1, number)] += 1;
    }
    assert_eq!(counts, [2, 8]);
}

#[test]
fn an_uplink_without_an_answer_comes_last_until_it_is_tried_again() {
    let mut placement = Placement::new(&uplinks(2));
    let attempts = placement.attempts(at(0), client(1), server(1));
    placement.connected(at(300), (client(1), server(1)), attempts[1], &[0], true);
    for number in 2..9 {
        assert_eq!(place(&mut placement, at(400), 1, number), 1);
    }
    assert_eq!(place(&mut placement, at(2_400), 1, 20), 0, "it is tried again");
    // Each time in a row it is left alone for longer, up to half a minute.
    for _ in 0..20 {
        placement.pass_by(at(5_000), 0);
    }
    assert_eq!(place(&mut placement, at(34_000), 1, 21), 1);
    assert_eq!(place(&mut placement, at(36_000), 1, 22), 0);
}

#[test]
fn backups_carry_only_when_nothing_else_can() {
    let mut with_backup = uplinks(2);
    with_backup[0].backup = true;
    let mut placement = Placement::new(&with_backup);
    for number in 0..9 {
        assert_eq!(place(&mut placement, at(0), 1, number), 1);
    }
    placement.pass_by(at(0), 1);
    assert_eq!(place(&mut placement, at(1), 1, 99), 0);
}

#[test]
fn a_destination_without_mptcp_is_not_asked_for_it_again_until_that_is_forgotten() {
    let mut placement = Placement::new(&uplinks(1));
    let first = placement.attempts(at(0), client(1), server(1));
    assert_eq!(first.iter().map(|one| one.multipath).collect::<Vec<_>>(), [true, false]);
    placement.connected(at(0), (client(1), server(1)), first[0], &[], false);
    assert!(placement.attempts(at(1), client(2), server(1)).iter().all(|one| !one.multipath));
    assert!(placement.attempts(at(1), client(2), server(2))[0].multipath);
    assert!(placement.attempts(at(3_700_000), client(2), server(1))[0].multipath);
}

#[test]
fn the_other_family_needs_an_address_of_its_own() {
    let mut placement = Placement::new(&uplinks(3));
    let to = "[2001:db8::1]:443".parse().expect("an address");
    assert!(placement.attempts(at(0), client(1), to).is_empty());
    let mut more = uplinks(3);
    more[2].addresses.push("2001:db8:3::1".parse().expect("an address"));
    placement.reload(&more);
    let attempts = placement.attempts(at(0), client(1), to);
    assert_eq!(attempts[0].uplink.map(|(place, _)| place), Some(2));
}

#[test]
fn a_reload_that_moves_uplinks_keeps_what_is_known_of_each() {
    let mut placement = Placement::new(&uplinks(2));
    placement.pass_by(at(0), 0);
    let mut turned = uplinks(2);
    turned.reverse();
    placement.reload(&turned);
    // The one that was passed by is now the second.
    for number in 0..5 {
        assert_eq!(place(&mut placement, at(1), 1, number), 0);
    }
}

//! What holds of placement whatever happens to it: made-up sequences of connections, counters, uplinks
//! that fail, settings that change.

use std::time::Duration;

use super::*;
use mptcpize_model::net::IfName;
use random::Random;

#[allow(dead_code, unreachable_pub, reason = "it is written for tests that share more of it")]
#[path = "../../../tests/support/random.rs"]
mod random;

fn uplinks(random: &mut Random) -> Vec<Uplink> {
    let number = random.below(5);
    let uplink = |place: usize| {
        let place = u8::try_from(place).expect("few");
        let mut addresses = vec![IpAddr::from([10, place, 0, 1])];
        if random.below(2) == 0 {
            addresses.push(IpAddr::from([0x2001, 0xdb8, place.into(), 0, 0, 0, 0, 1]));
        }
        if random.below(2) == 0 {
            addresses.reverse();
        }
        if random.below(8) == 0 {
            addresses.clear();
        }
        Uplink {
            dev: IfName::new(&format!("w{place}")).expect("a name"),
            addresses,
            weight: 1 + u32::try_from(random.below(5)).expect("few"),
            backup: random.below(4) == 0,
        }
    };
    (0..number).map(uplink).collect()
}

fn server(random: &mut Random) -> SocketAddr {
    let number = u8::try_from(random.below(20)).expect("few");
    let ip = match random.below(2) {
        0 => IpAddr::from([198, 51, 100, number]),
        _ => IpAddr::from([0x2001, 0xdb8, 99, 0, 0, 0, 0, number.into()]),
    };
    SocketAddr::new(ip, 443)
}

/// Every uplink that has an address of the family is tried once, from that address, and the best one
/// again without MPTCP where that was asked for.
fn hold(attempts: &[Attempt], uplinks: &[Uplink], to: SocketAddr) {
    let family = Family::of(to.ip());
    let usable: Vec<_> = (0..uplinks.len())
        .filter_map(|place| Some((place, uplinks[place].source(family)?)))
        .collect();
    let mut tried: Vec<_> = attempts.iter().map(|one| one.uplink.expect("an uplink")).collect();
    let multipath = attempts.iter().filter(|one| one.multipath).count();
    if multipath > 0 {
        assert_eq!(multipath + 1, attempts.len(), "one more without MPTCP: {attempts:?}");
        let last = tried.pop();
        assert_eq!(last, tried.first().copied());
        assert!(attempts[..multipath].iter().all(|one| one.multipath));
    }
    tried.sort_unstable();
    assert_eq!(tried, usable);
}

#[test]
fn whatever_happens_every_uplink_is_tried_once_and_memory_is_bounded() {
    for seed in 1..=200 {
        let mut random = Random(seed);
        let mut present = uplinks(&mut random);
        let mut placement = Placement::new(&present);
        let (mut now, mut bytes) = (Duration::ZERO, 0);
        for _ in 0..400 {
            now += Duration::from_millis(random.below(3_000) as u64);
            let to = server(&mut random);
            let client = IpAddr::from([192, 168, 77, random.below(9) as u8]);
            let place = random.below(6);
            match random.below(8) {
                0 => placement.pass_by(now, place),
                1 => placement.ended(place),
                2 => {
                    bytes += random.below(10_000_000) as u64;
                    let busy = random.below(50) as u32;
                    placement.sample(now, place, (bytes, bytes / 3), busy);
                }
                3 if random.below(10) == 0 => {
                    present = uplinks(&mut random);
                    placement.reload(&present);
                }
                _ => {
                    let attempts = placement.attempts(now, client, to);
                    hold(&attempts, &present, to);
                    let Some(first) = attempts.first().and_then(|one| one.uplink) else { continue };
                    placement.begun(now, client, to.ip(), first.0);
                    let at = random.below(attempts.len());
                    let before: Vec<_> =
                        attempts[..at].iter().filter_map(|one| Some(one.uplink?.0)).collect();
                    let spoke = attempts[at].multipath && random.below(2) == 0;
                    placement.connected(now, (client, to), attempts[at], &before, spoke);
                }
            }
            assert!(placement.pairs.len() <= MOST_PAIRS && placement.plain.len() <= MOST_PLAIN);
        }
    }
}

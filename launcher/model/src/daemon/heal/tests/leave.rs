//! Subflows of endpoints that went are closed, and the last one of a connection stays.

use super::*;

fn addresses(links: &[u8]) -> BTreeSet<IpAddr> {
    links.iter().map(|link| address(*link)).collect()
}

/// Two links, and a connection that began on the first.
fn with_connection() -> Heal {
    let mut heal = two_links();
    heal.have_endpoints(addresses(&[1, 2]));
    joined(&mut heal, 7);
    heal
}

/// From which links subflows are to be closed.
fn closed(heal: &mut Heal, now: Millis) -> Vec<IpAddr> {
    heal.leaves(now).iter().map(|leave| leave.local.ip()).collect()
}

#[test]
fn what_is_from_an_endpoint_that_went_is_closed_once_and_opened_again_when_it_is_back() {
    let mut heal = with_connection();
    assert_eq!(closed(&mut heal, START), [] as [IpAddr; 0]);
    heal.set(START, true, vec![endpoint(1, Flags::SUBFLOW)], 8);
    heal.have_endpoints(addresses(&[1]));
    let expected =
        [Leave { token: 7, local: SocketAddr::new(address(2), 40_000), remote: server() }];
    assert_eq!((heal.leaves(START), heal.leaves(START)), (expected.to_vec(), vec![]));
    heal.have_endpoints(addresses(&[1]));
    assert_eq!(heal.leaves(START), []);
    lose(&mut heal, START, 7, 2, 40_000, 0);
    assert_eq!((heal.joins(START), heal.deadline()), (vec![], None));
    let both = vec![endpoint(1, Flags::SUBFLOW), endpoint(2, Flags::SUBFLOW)];
    heal.set(START, true, both, 8);
    heal.have_endpoints(addresses(&[1, 2]));
    assert_eq!(links(&heal.joins(START)), [2]);
}

#[test]
fn an_endpoint_that_is_back_before_its_subflow_was_closed_gets_another_one() {
    let mut heal = with_connection();
    heal.have_endpoints(addresses(&[1]));
    assert_eq!(heal.leaves(START).len(), 1);
    heal.have_endpoints(addresses(&[1, 2]));
    assert_eq!(heal.joins(START), []);
    lose(&mut heal, START, 7, 2, 40_000, 0);
    assert_eq!(links(&heal.joins(START)), [2]);
}

#[test]
fn the_subflow_on_which_a_connection_began_stays_where_none_other_is_left() {
    let mut heal = with_connection();
    heal.set(START, true, vec![], 8);
    heal.have_endpoints(addresses(&[]));
    assert_eq!(closed(&mut heal, START), [address(2)]);
    // And goes when another one carries data.
    lose(&mut heal, START, 7, 2, 40_000, 0);
    heal.set(START, true, vec![endpoint(3, Flags::SUBFLOW)], 8);
    heal.have_endpoints(addresses(&[3]));
    assert_eq!((closed(&mut heal, START), links(&heal.joins(START))), (vec![], vec![3]));
    heal.told(START, &event(Kind::SubflowEstablished, 7, 3, 40_001));
    assert_eq!(closed(&mut heal, START), [address(1)]);
}

#[test]
fn closures_share_the_pace_of_joins() {
    let mut heal = two_links();
    heal.have_endpoints(addresses(&[1, 2]));
    for token in 0..1_000 {
        let now = Millis(START.0 + 100 * u64::from(token));
        heal.told(now, &event(Kind::Established, token, 1, 40_000));
        heal.joins(now);
        heal.told(now, &event(Kind::SubflowEstablished, token, 2, 40_000));
    }
    let begin = Millis(START.0 + 200_000);
    heal.have_endpoints(addresses(&[1]));
    let (mut now, mut asked) = (begin, 0);
    loop {
        let leaves = heal.leaves(now).len();
        assert!(leaves <= AT_ONCE, "{leaves} at once");
        asked += leaves;
        assert_eq!(heal.joins(now), []);
        let Some(deadline) = heal.deadline() else { break };
        now = deadline;
        assert!(now.0 - begin.0 < 10_000, "it never comes to rest");
    }
    assert_eq!((asked, now.0 - begin.0), (1_000, 600));
}

//! What users of other netlink and MPTCP libraries reported of theirs, tried with this one.

mod support;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mptcp_netlink::pm::{Endpoint, Event, EventKind, Events, News, PathManager};
use mptcp_netlink::rtnl::{Address, Change, Changed, Changes, Route, Rtnl};
use mptcp_netlink::{Family, KernelError, Prefix, sock_diag};
use rustix::net::{AddressFamily, bind, listen};
use rustix::process::Uid;

use crate::support::{FIRST, SECOND, connection_of, host, mptcp, of_token, wait_for};

fn left_to_user_space() {
    fs::write("/proc/sys/net/mptcp/pm_type", "1").expect("root may");
}

fn established_here(event: &Event) -> bool {
    event.kind == EventKind::Established && event.server_side != Some(true)
}

#[test]
fn a_program_that_speaks_ipv4_through_ipv6_is_managed_as_any_other() {
    host();
    left_to_user_space();
    let mut events = Events::open().expect("this kernel tells events");
    let _ends = connection_of(AddressFamily::INET6);
    let event = wait_for(&mut events, established_here);
    assert_eq!(event.local, Some(IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped())));
    let token = event.token.expect("a connection has one");
    let connection = of_token(token);
    assert_eq!(
        (event.local_end(), event.remote_end()),
        (Some(connection.local), Some(connection.remote))
    );

    let mut pm = PathManager::open().expect("this kernel has MPTCP");
    let mut ours = pm.connection(token);
    ours.create(&Endpoint::new(SECOND).id(2).subflow(), connection.remote).expect("it is IPv4");
    wait_for(&mut events, |event| {
        event.kind == EventKind::SubflowEstablished && event.local == Some(SECOND)
    });
    let first = &of_token(token).subflows[0];
    ours.set_backup(first.local, first.remote, true).expect("it is there");
    assert!(of_token(token).subflows[0].backup);
    ours.destroy(first.local, first.remote).expect("it is there");
    wait_for(&mut events, |event| {
        event.kind == EventKind::SubflowClosed && event.local_end() == Some(first.local)
    });
}

#[test]
fn an_address_has_one_id_in_a_connection() {
    host();
    left_to_user_space();
    let mut events = Events::open().expect("this kernel tells events");
    let _ends = connection_of(AddressFamily::INET);
    let token = wait_for(&mut events, established_here).token.expect("a connection has one");
    let remote = of_token(token).remote;
    let mut pm = PathManager::open().expect("this kernel has MPTCP");
    let mut ours = pm.connection(token);
    let text = |outcome: Result<(), KernelError>| outcome.expect_err("it is refused").to_string();
    let unsignalled = ours.announce(&Endpoint::new(SECOND).id(2));
    assert_eq!(text(unsignalled), "invalid addr flags");
    assert_eq!(text(ours.announce(&Endpoint::new(SECOND).signal())), "invalid addr id");
    ours.announce(&Endpoint::new(SECOND).id(2).signal()).expect("it has an id");
    let other = ours.create(&Endpoint::new(SECOND).id(3).subflow(), remote);
    assert_eq!(text(other), "did not match address and id");
    let first = Endpoint::new(FIRST).subflow();
    ours.create(&first, remote).expect("0 is the id of the first address");
    wait_for(&mut events, |event| {
        event.kind == EventKind::SubflowEstablished && event.local_id == Some(0)
    });
    ours.remove(2).expect("it was announced");
    ours.create(&Endpoint::new(SECOND).id(3).subflow(), remote).expect("it has no id any more");
    let refused = SocketAddr::new(SECOND, 1);
    ours.create(&Endpoint::new(SECOND).id(3).subflow(), refused).expect("the peer is asked");
    let closed = wait_for(&mut events, |event| event.kind == EventKind::SubflowClosed);
    assert_eq!((closed.error, closed.remote_end()), (Some(111), Some(refused)));
}

#[test]
fn a_list_that_changes_while_it_is_read_is_whole_or_an_error() {
    let link = host();
    // More than one datagram holds, so that there is a time between two of them.
    const LASTING: usize = 1000;
    let address = |network: u8, number: usize| {
        let [.., third, fourth] = number.to_be_bytes();
        Address::new(link, [network, 0, third, fourth], 32)
    };
    let mut rtnl = Rtnl::open().expect("rtnetlink is there");
    for number in 0..LASTING {
        rtnl.add_address(&address(10, number)).expect("root may");
    }
    let (changes, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut rtnl = Rtnl::open().expect("rtnetlink is there");
            while !enough.load(Ordering::Relaxed) {
                rtnl.add_address(&address(11, 1)).expect("root may");
                rtnl.delete_address(&address(11, 1)).expect("it is there");
                changes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut looks = 0;
        while looks < 20 || (changes.load(Ordering::Relaxed) < 20 && !writer.is_finished()) {
            looks += 1;
            match rtnl.addresses() {
                Ok(all) => {
                    let lasting =
                        all.iter().filter(|one| one.address.to_string().starts_with("10."));
                    assert_eq!(lasting.count(), LASTING);
                }
                Err(error) => assert_eq!(error.errno, libc::EINTR, "{error}"),
            }
        }
        enough.store(true, Ordering::Relaxed);
    });
}

#[test]
fn events_that_are_lost_are_told_and_listening_goes_on() {
    host();
    let mut events = Events::open().expect("this kernel tells events");
    // Two events each, more than the socket may queue.
    for _ in 0..40_000 {
        let listener = mptcp(AddressFamily::INET);
        bind(&listener, &SocketAddr::new(FIRST, 0)).expect("the address is there");
        listen(&listener, 1).expect("it is bound");
    }
    let mut lost = 0;
    while events.wait(Some(Duration::ZERO)).expect("the socket is open") {
        lost += usize::from(events.read().expect("it goes on") == News::Lost);
    }
    assert!(lost > 0, "so many events fit into no socket");
    let listener = mptcp(AddressFamily::INET);
    listen(&listener, 1).expect("it is new");
    wait_for(&mut events, |event| event.kind == EventKind::ListenerCreated);
}

#[test]
fn who_lacks_the_capability_may_look_and_is_told_what_is_denied() {
    host();
    let nobody = Uid::from_raw(65534);
    rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("root may");
    let mut pm = PathManager::open().expect("everybody may look");
    assert_eq!(pm.endpoints(), Ok(vec![]));
    assert!(pm.limits().is_ok());
    assert_eq!(sock_diag::connections(), Ok(vec![]));
    let mut rtnl = Rtnl::open().expect("everybody may look");
    assert!(!rtnl.links().expect("everybody may look").is_empty());
    assert!(pm.add(&Endpoint::new(FIRST).subflow()).is_err_and(|error| error.is_denied()));
    assert!(Events::open().is_err_and(|error| error.is_denied()));
    let address = Address::new(1, SECOND, 32);
    assert!(rtnl.add_address(&address).is_err_and(|error| error.is_denied()));
}

#[test]
fn an_endpoint_outlives_its_address_and_a_ninth_is_refused() {
    let link = host();
    let mut pm = PathManager::open().expect("this kernel has MPTCP");
    pm.add(&Endpoint::new(SECOND).id(1).subflow()).expect("root may");
    let mut rtnl = Rtnl::open().expect("rtnetlink is there");
    rtnl.delete_address(&Address::new(link, SECOND, 32)).expect("it is there");
    assert_eq!(pm.get(1).map(|endpoint| endpoint.address), Ok(SECOND));
    for number in 2..=8 {
        pm.add(&Endpoint::new([203, 0, 113, number]).subflow()).expect("it is on no link");
    }
    let ninth = pm.add(&Endpoint::new([203, 0, 113, 9]).subflow());
    assert_eq!(ninth.map_err(|error| error.errno), Err(libc::ERANGE));
}

/// tailscale #7621: each of a million routes that a router learned woke whoever listened.
#[test]
fn routes_to_small_networks_are_left_out_but_for_those_of_a_protocol_that_was_named() {
    let link = host();
    let mut changes = Changes::open().expect("everybody may listen");
    changes.leave_out_routes_but(1, 86).expect("a filter of nine instructions is taken");
    let mut rtnl = Rtnl::open().expect("rtnetlink is there");
    let network = Prefix::new([198, 51, 100, 0], 24);
    let (half, quarter) = (Prefix::new([128, 0, 0, 0], 1), Prefix::new([128, 0, 0, 0], 2));
    let route = Route::new(Family::V4, link);
    let made = [
        route.clone().to(network).protocol(4),
        route.clone().table(9).protocol(4),
        route.clone().to(half).protocol(4),
        route.clone().to(quarter).protocol(4),
        route.clone().table(9).to(network).protocol(86),
    ];
    for route in &made {
        rtnl.add_route(route).expect("root may");
    }
    let told = |length, protocol| Some(Changed::Change(Change::Route { length, protocol }));
    let read: Vec<_> = (0..4).map(|_| changes.read().expect("the socket lives")).collect();
    assert_eq!(read, [told(0, 4), told(1, 4), told(24, 86), None]);
}

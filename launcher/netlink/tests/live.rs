//! A path manager in user space, against this kernel: a connection over loopback in a namespace of
//! its own, to which a subflow is added, made a backup and ended, each step seen in the events and
//! in the list of sockets.

mod support;

use std::fs;

use mptcp_netlink::pm::{Endpoint, Event, EventKind, Events, Flags, Limits, PathManager};
use mptcp_netlink::rtnl::{Hop, NextHop, Route, Rtnl, Target};
use mptcp_netlink::{Family, KernelError, Prefix};
use rustix::net::AddressFamily;

use crate::support::{FIRST, SECOND, connection_of, host, of_token, wait_for};

#[test]
fn a_subflow_is_opened_made_a_backup_and_ended_by_hand() {
    host();
    fs::write("/proc/sys/net/mptcp/pm_type", "1").expect("root may");
    let mut events = Events::open().expect("this kernel tells events");
    let _ends = connection_of(AddressFamily::INET);
    let established = |event: &Event| event.kind == EventKind::Established;
    let ours = |event: &Event| established(event) && event.server_side != Some(true);
    let token = wait_for(&mut events, ours).token.expect("a connection has one");
    let remote = of_token(token).remote;

    let mut pm = PathManager::open().expect("this kernel has MPTCP");
    let second = Endpoint::new(SECOND).id(2).subflow();
    pm.connection(token).create(&second, remote).expect("it is left to user space");
    let of_second = |kind| {
        move |event: &Event| {
            event.kind == kind && event.token == Some(token) && event.local == Some(SECOND)
        }
    };
    let joined = wait_for(&mut events, of_second(EventKind::SubflowEstablished));
    assert_eq!((joined.local_id, joined.remote), (Some(2), Some(FIRST)));
    let subflows = of_token(token).subflows;
    assert_eq!(subflows.iter().map(|one| one.local.ip()).collect::<Vec<_>>(), [FIRST, SECOND]);
    assert!(!subflows[1].backup);

    let [local, remote] = [subflows[1].local, subflows[1].remote];
    pm.connection(token).set_backup(local, remote, true).expect("it is there");
    assert!(of_token(token).subflows[1].backup);
    pm.connection(token).destroy(local, remote).expect("it is there");
    wait_for(&mut events, of_second(EventKind::SubflowClosed));
    let again = pm.connection(token).destroy(local, remote);
    assert_eq!(again.map_err(|error| error.errno), Err(libc::ESRCH));
}

#[test]
fn a_connection_that_the_kernel_manages_is_left_to_it() {
    host();
    let mut events = Events::open().expect("this kernel tells events");
    let _ends = connection_of(AddressFamily::INET);
    let token = wait_for(&mut events, |event| event.kind == EventKind::Established).token;
    let mut pm = PathManager::open().expect("this kernel has MPTCP");
    let endpoint = Endpoint::new(SECOND).id(2).signal();
    let refused = pm.connection(token.expect("a connection has one")).announce(&endpoint);
    let refused = refused.expect_err("it is not left to user space");
    assert_eq!(refused.errno, libc::EINVAL);
    assert!(refused.to_string().contains("userspace PM not selected"), "{refused}");
}

#[test]
fn endpoints_limits_and_flags_read_as_they_were_written() {
    let link = host();
    let mut pm = PathManager::open().expect("this kernel has MPTCP");
    let limits = Limits { subflows: 7, add_addr_accepted: 3 };
    pm.set_limits(limits).expect("root may");
    assert_eq!(pm.limits(), Ok(limits));
    let all = [
        Endpoint::new(FIRST).id(1).link(link).subflow().fullmesh(),
        Endpoint::new(SECOND).id(9).signal().port(4000),
        Endpoint::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]).id(200).subflow().backup(),
    ];
    for endpoint in &all {
        pm.add(endpoint).expect("root may");
    }
    assert_eq!(pm.endpoints(), Ok(all.to_vec()));
    let errno = |outcome: Result<(), KernelError>| outcome.map_err(|error| error.errno);
    assert_eq!(errno(pm.add(&all[0])), Err(libc::EBUSY), "its id is in use");
    assert_eq!(errno(pm.add(&Endpoint::new(FIRST).subflow())), Err(libc::EEXIST));
    pm.set_flags(200, Flags::FULLMESH).expect("it is there");
    assert_eq!(pm.get(200).map(|one| one.flags), Ok(Flags::SUBFLOW.with(Flags::FULLMESH)));
    pm.delete(9).expect("it is there");
    assert_eq!(errno(pm.delete(9)), Err(libc::EINVAL));
    pm.flush().expect("root may");
    assert_eq!(pm.endpoints(), Ok(vec![]));
}

#[test]
fn next_hop_objects_read_as_they_were_written() {
    let link = host();
    let mut rtnl = Rtnl::open().expect("rtnetlink is there");
    let hop = NextHop::new(7, Target::Hop(Hop::new(Family::V4, link))).protocol(86);
    let group = NextHop::new(8, Target::Group(vec![7]));
    for object in [&hop, &group] {
        rtnl.add_next_hop(object).expect("root may");
    }
    assert_eq!(rtnl.next_hops(), Ok(vec![hop, group]));
    rtnl.delete_next_hop(7).expect("it is there");
    assert_eq!(rtnl.next_hops(), Ok(vec![]), "a group without a member goes too");
    assert_eq!(rtnl.delete_next_hop(7).map_err(|error| error.errno), Err(libc::ENOENT));
}

#[test]
fn a_route_is_found_by_a_lookup_and_only_that_one_is_deleted() {
    let link = host();
    let mut rtnl = Rtnl::open().expect("rtnetlink is there");
    let to = Prefix::new([198, 51, 100, 0], 24);
    let [near, far] = [5, 6].map(|metric| Route::new(Family::V4, link).to(to).metric(metric));
    for route in [&near, &far] {
        rtnl.add_route(route).expect("root may");
    }
    let way = rtnl.route_match([198, 51, 100, 7].into(), None).expect("a route leads there");
    assert_eq!((way.to, way.metric), (Some(to), 5));
    rtnl.delete_route(&far).expect("it is there");
    let absent = Route::new(Family::V4, link).to(to).metric(7);
    assert!(rtnl.delete_route(&absent).is_err());
    let mut left = rtnl.routes_in(mptcp_netlink::rtnl::MAIN, Family::V4).expect("they are read");
    left.retain(|route| route.to == Some(to));
    assert_eq!(left, [near]);
}

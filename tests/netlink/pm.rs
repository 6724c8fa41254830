//! `mptcpize endpoint` and `limits` beside `ip mptcp`: each reads what the other writes, to the
//! byte; what ip takes and should not is refused with a reason and a fix.

use crate::support::{Netns, Outcome, mounts, tool};
use mptcpize::host::netlink::pm::{self, Pm};
use mptcpize_model::mptcp::{Endpoint, Flags, Limits};
use mptcpize_model::net::IfName;

/// Two links with addresses of both families.
fn host() -> Netns {
    let host = Netns::new();
    for line in [
        "link add e0 type veth peer name p0",
        "link add e1 type veth peer name p1",
        "link set e0 up",
        "link set e1 up",
        "address add 192.0.2.2/24 dev e0",
        "address add 198.51.100.2/24 dev e1",
        "address add 2001:db8:1::2/64 dev e0 nodad",
        "address add fe80::2/64 dev e1 nodad",
    ] {
        host.ip(line);
    }
    host
}

/// `mptcpize LINE` in the namespace.
fn ours(host: &Netns, line: &str) -> Outcome {
    let words: Vec<&str> = line.split_whitespace().collect();
    tool(&words).within(host).run()
}

#[track_caller]
fn succeeds(host: &Netns, line: &str) -> String {
    let outcome = ours(host, line);
    assert_eq!(outcome.code(), 0, "{outcome}");
    outcome.stdout
}

/// What both show, as text and as JSON, is the same.
#[track_caller]
fn agree(host: &Netns) -> String {
    // iproute2 before 6.18 has no word for laminar, and gives its bit.
    let words = |text: String| {
        text.replace("rawflags 20", "laminar").replace(r#""rawflags":"20""#, r#""laminar":true"#)
    };
    assert_eq!(succeeds(host, "endpoint show"), words(host.ip("mptcp endpoint show")));
    assert_eq!(succeeds(host, "endpoint show -j"), words(host.ip("-j mptcp endpoint show")));
    assert_eq!(succeeds(host, "limits show"), host.ip("mptcp limits show"));
    succeeds(host, "endpoint")
}

#[test]
fn each_reads_what_the_other_writes() {
    for words in [
        "192.0.2.2 subflow",
        "192.0.2.2",
        "192.0.2.2 dev e0 subflow backup",
        "192.0.2.2 dev e0 id 200 subflow fullmesh",
        "192.0.2.2 subflow backup fullmesh",
        "192.0.2.2 port 8080 signal",
        "port 65535 signal dev e1 198.51.100.2 id 255",
        "2001:db8:1::2 id 1 signal subflow",
        "fe80::2 dev e1 subflow",
    ] {
        let (one, other) = (host(), host());
        succeeds(&one, &format!("endpoint add {words}"));
        other.ip(&format!("mptcp endpoint add {words}"));
        assert_eq!(agree(&one), agree(&other), "{words}");
    }
}

#[test]
fn the_list_is_in_the_kernels_order() {
    let host = host();
    succeeds(&host, "endpoint add 198.51.100.2 dev e1 id 9 subflow");
    host.ip("mptcp endpoint add 192.0.2.2 dev e0 id 3 signal");
    succeeds(&host, "endpoint add 2001:db8:1::2 subflow laminar");
    assert_eq!(
        agree(&host),
        "192.0.2.2 id 3 signal dev e0 \n\
         198.51.100.2 id 9 subflow dev e1 \n\
         2001:db8:1::2 id 10 subflow laminar \n"
    );
    assert_eq!(succeeds(&host, "endpoint show id 9"), host.ip("mptcp endpoint show id 9"));
    assert_eq!(succeeds(&host, "endpoint -j show id 9"), host.ip("-j mptcp endpoint show id 9"));
    succeeds(&host, "endpoint delete id 9");
    host.ip("mptcp endpoint delete id 3");
    assert_eq!(agree(&host), "2001:db8:1::2 id 10 subflow laminar \n");
    succeeds(&host, "limits set subflows 4 add_addr_accepted 5");
    succeeds(&host, "endpoint flush");
    assert_eq!(agree(&host), "");
    // Which some kernels forget with the endpoints.
    assert_eq!(succeeds(&host, "limits show"), "add_addr_accepted 5 subflows 4 \n");
}

#[test]
fn an_endpoint_is_deleted_by_its_address_where_that_is_one_endpoints_alone() {
    let host = host();
    succeeds(&host, "endpoint add 198.51.100.2 dev e1 id 9 subflow");
    succeeds(&host, "endpoint add 192.0.2.2 dev e0 id 3 subflow");
    succeeds(&host, "endpoint add 192.0.2.2 id 4 port 8080 signal");
    assert_eq!(succeeds(&host, "endpoint delete 198.51.100.2"), "");
    let before = agree(&host);
    ours(&host, "endpoint delete 192.0.2.2").says(
        1,
        "error: cannot delete the endpoint 192.0.2.2\n  why: several have this address: 192.0.2.2 id \
         3 subflow dev e0; 192.0.2.2 port 8080 id 4 signal\n  fix: mptcpize endpoint delete id 3    \
         # or: mptcpize endpoint delete id 4\n",
    );
    assert_eq!(agree(&host), before, "nothing is guessed");
    succeeds(&host, "endpoint delete 192.0.2.2 dev e0");
    assert_eq!(agree(&host), "192.0.2.2 port 8080 id 4 signal \n");
    succeeds(&host, "endpoint d 192.0.2.2 po 8080");
    assert_eq!(agree(&host), "");
}

#[test]
fn an_endpoint_of_a_link_that_is_gone_is_shown_as_ip_shows_it() {
    let host = host();
    succeeds(&host, "endpoint add 192.0.2.2 dev e0 subflow");
    host.ip("link delete e0");
    assert!(agree(&host).contains(" dev if"), "{}", agree(&host));
}

#[test]
fn words_may_be_cut_short_as_in_ip() {
    let host = host();
    succeeds(&host, "endpoint ad 192.0.2.2 d e0 i 7 subflow");
    succeeds(&host, "limits se subflow 5 add_addr 6");
    assert_eq!(agree(&host), "192.0.2.2 id 7 subflow dev e0 \n");
    assert_eq!(succeeds(&host, "limits"), "add_addr_accepted 6 subflows 5 \n");
    assert_eq!(succeeds(&host, "limits -j"), "{\"add_addr_accepted\":6,\"subflows\":5}\n");
    succeeds(&host, "limits set subflows 3");
    assert_eq!(succeeds(&host, "limits"), "add_addr_accepted 6 subflows 3 \n");
    succeeds(&host, "endpoint del i 7");
    assert_eq!(agree(&host), "");
}

#[test]
fn change_leaves_alone_what_is_not_named() {
    let host = host();
    succeeds(&host, "endpoint add 192.0.2.2 id 4 subflow");
    let shows = |line: &str, expected: &str| {
        succeeds(&host, line);
        assert_eq!(agree(&host), format!("192.0.2.2 id 4 {expected} \n"), "{line}");
    };
    shows("endpoint change id 4 backup", "subflow backup");
    shows("endpoint change id 4 fullmesh", "subflow backup fullmesh");
    shows("endpoint change 192.0.2.2 nobackup", "subflow fullmesh");
    shows("endpoint change 192.0.2.2 nofullmesh backup", "subflow backup");
    shows("endpoint change id 4 backup", "subflow backup");
}

#[test]
fn what_is_already_there_is_no_failure() {
    let host = host();
    let line = "endpoint add 192.0.2.2 dev e0 subflow";
    succeeds(&host, line);
    for line in [line.to_owned(), format!("{line} id 1")] {
        let again = ours(&host, &line);
        assert_eq!((again.code(), again.stdout.as_str()), (0, ""), "{again}");
        let expected = "mptcpize: it is already there: 192.0.2.2 id 1 subflow dev e0\n";
        assert_eq!(again.stderr, expected);
    }
    assert_eq!(agree(&host), "192.0.2.2 id 1 subflow dev e0 \n");
}

#[test]
fn an_address_that_is_not_here_needs_force_unless_it_is_only_announced() {
    let host = host();
    for words in ["203.0.113.9 subflow", "192.0.2.2 dev e1 subflow", "2001:db8:9::9"] {
        let refused = ours(&host, &format!("endpoint add {words}"));
        assert_eq!(refused.code(), 1, "{refused}");
        succeeds(&host, &format!("endpoint add --force {words}"));
    }
    let announced = ours(&host, "endpoint add 203.0.113.10 signal");
    assert_eq!(announced.code(), 0, "{announced}");
    assert!(announced.stderr.contains("announced all the same"), "{announced}");
    assert_eq!(agree(&host).lines().count(), 4);
}

#[test]
fn mistakes_have_a_reason_and_a_fix() {
    let host = host();
    host.ip("mptcp endpoint add 192.0.2.2 dev e0 id 7 subflow");
    host.ip("mptcp endpoint add 198.51.100.2 id 8 signal");
    let before = (agree(&host), succeeds(&host, "limits"));
    let table = [
        (
            "endpoint add 203.0.113.9 subflow",
            1,
            "no interface of this host has this address",
            "add it",
        ),
        ("endpoint add 203.0.113.9 signal port 80", 1, "no interface of this host has", "--force"),
        (
            "endpoint add 192.0.2.2 dev e1 port 9 signal",
            1,
            "e1 does not have this address, e0 has",
            "dev e0",
        ),
        ("endpoint add 192.0.2.2 dev nope subflow", 1, "there is no interface nope", "ip link"),
        ("endpoint add fe80::2 subflow", 1, "a link-local address", "add dev IF"),
        ("endpoint add 2001:db8:1::2 id 7", 1, "id 7 is that of 192.0.2.2", "another id"),
        (
            "endpoint add 192.0.2.2 dev e0 subflow backup",
            1,
            "there is one with this address: 192.0.2.2 id 7 subflow dev e0",
            "mptcpize endpoint change id 7 backup",
        ),
        (
            "endpoint add 192.0.2.2 signal",
            1,
            "there is one with this address",
            "mptcpize endpoint delete id 7",
        ),
        ("endpoint add 2001:db8:1::2 implicit", 1, "can't create IMPLICIT endpoint", ""),
        ("endpoint add 127.0.0.1 subflow id 0", 2, "id 0 stands for", "an id from 1 to 255"),
        (
            "endpoint add 127.0.0.1 id 256",
            2,
            "id is a number from 1 to 255, not \"256\"",
            "endpoint add",
        ),
        ("endpoint add 127.0.0.1 port 80 subflow", 2, "it needs the flag signal", "add signal"),
        ("endpoint add 127.0.0.1 port 80 signal subflow", 2, "exclude each other", "leave out"),
        (
            "endpoint add 127.0.0.1 signal fullmesh",
            2,
            "signal and fullmesh exclude",
            "signal on the server",
        ),
        (
            "endpoint add 127.0.0.1/8",
            2,
            "\"127.0.0.1/8\" is neither an address",
            "endpoint add ADDRESS",
        ),
        ("endpoint add", 2, "the address is missing", "endpoint add ADDRESS"),
        ("endpoint delete id 9", 1, "address not found", "mptcpize endpoint show"),
        ("endpoint delete id 0", 2, "id 0 stands for", "endpoint delete id 0 ADDRESS"),
        (
            "endpoint delete id 7 192.0.2.2",
            2,
            "an address goes with id 0 alone",
            "endpoint delete id 7",
        ),
        ("endpoint delete", 2, "its id or address is missing", "mptcpize endpoint show"),
        (
            "endpoint delete 192.0.2.2 dev e1",
            1,
            "with this address there is: 192.0.2.2 id 7 subflow dev e0",
            "mptcpize endpoint delete id 7",
        ),
        (
            "endpoint delete 203.0.113.9",
            1,
            "no endpoint has this address",
            "mptcpize endpoint show",
        ),
        ("endpoint change id 9 backup", 1, "address not found", "mptcpize endpoint show"),
        (
            "endpoint change 203.0.113.9 backup",
            1,
            "there is none with this address",
            "endpoint show",
        ),
        ("endpoint change id 8 fullmesh", 1, "invalid addr flags", "mptcpize endpoint show"),
        (
            "endpoint change id 7 signal",
            2,
            "only backup and fullmesh can change",
            "endpoint change",
        ),
        ("endpoint change id 7", 2, "no change is named", "endpoint change"),
        ("endpoint show id 9", 1, "address not found", "mptcpize endpoint show"),
        ("endpoint show 192.0.2.2", 2, "only an id", "endpoint show [id N]"),
        (
            "limits set subflows 9",
            1,
            "limit greater than maximum (8)",
            "subflows 8 add_addr_accepted 8",
        ),
        ("limits set add_addr_accepted 4294967295", 1, "limit greater than maximum (8)", "or less"),
        ("limits set subflows 4294967296", 2, "subflows is a number from 0", "limits set"),
        ("limits set", 2, "no limit is named", "limits set [subflows N]"),
        ("endpoint show --netns nope", 1, "neither a name of ip-netns(8)", "ip netns list"),
        ("endpoint show --netns 4194304", 1, "neither a name of ip-netns(8)", "ip netns list"),
        (
            "endpoint show --netns /dev/null",
            1,
            "/dev/null is not a network namespace",
            "ip netns list",
        ),
    ];
    for (line, code, why, fix) in table {
        let refused = ours(&host, line);
        assert_eq!((refused.code(), refused.stdout.as_str()), (code, ""), "{refused}");
        let lines: Vec<&str> = refused.stderr.lines().collect();
        let said = |line: Option<&&str>, start: &str, text: &str| match line {
            None => text.is_empty(),
            Some(line) => line.starts_with(start) && line.contains(text),
        };
        assert!(
            said(lines.first(), "error: ", "")
                && said(lines.get(1), "  why: ", why)
                && said(lines.get(2), "  fix: ", fix),
            "{line}: {why:?} and {fix:?} in\n{refused}"
        );
    }
    for line in
        ["endpoint bogus", "limits bogus", "monitor bogus", "endpoint add --bogus 127.0.0.1"]
    {
        assert_eq!(ours(&host, line).code(), 2, "{line}");
    }
    assert_eq!((agree(&host), succeeds(&host, "limits")), before, "a refusal changed something");
}

#[test]
fn one_endpoint_too_many_is_refused_in_the_kernels_words() {
    let host = host();
    let capacity = host.enter(pm::capacity).expect("the tests run as root");
    for number in 1..=capacity.endpoints {
        succeeds(&host, &format!("endpoint add --force 203.0.113.{number}"));
    }
    let refused = ours(&host, "endpoint add 192.0.2.2");
    assert_eq!(refused.code(), 1, "{refused}");
    assert!(refused.stderr.contains("too many addresses"), "{refused}");
    let fix = format!("there are {}, and this kernel takes no more", capacity.endpoints);
    assert!(refused.stderr.contains(&fix), "{refused}");
    // The question left nothing behind, and the limits go exactly as high.
    assert_eq!(agree(&host).lines().count(), capacity.endpoints);
    succeeds(&host, &format!("limits set subflows {}", capacity.subflows));
    let refused = ours(&host, &format!("limits set subflows {}", capacity.subflows + 1));
    assert_eq!(refused.code(), 1, "{refused}");
}

#[test]
fn an_ordinary_user_may_look_and_is_told_what_the_rest_wants() {
    let host = host();
    host.ip("mptcp endpoint add 192.0.2.2 id 7 subflow");
    let as_nobody = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        crate::support::Cmd::new(tool::public_binary())
            .args(words)
            .within(&host)
            .by_nobody()
            .within(&host)
            .run()
    };
    assert_eq!(as_nobody("endpoint").stdout, "192.0.2.2 id 7 subflow \n");
    assert_eq!(as_nobody("limits").stdout, "add_addr_accepted 0 subflows 2 \n");
    for line in [
        "endpoint add 198.51.100.2 subflow",
        "endpoint add --force 203.0.113.1",
        "endpoint delete id 7",
        "endpoint change id 7 backup",
        "endpoint flush",
        "limits set subflows 3",
        "monitor",
    ] {
        let refused = as_nobody(line);
        assert_eq!(refused.code(), 4, "{refused}");
        let expected =
            format!("\n  why: the kernel wants CAP_NET_ADMIN\n  fix: sudo mptcpize {line}\n");
        assert!(refused.stderr.ends_with(&expected), "{refused}");
    }
    let refused = as_nobody(&format!("limits set subflows 3 --netns {}", std::process::id()));
    assert_eq!(refused.code(), 4, "{refused}");
    let fix =
        format!("  fix: sudo mptcpize limits set subflows 3 --netns {}\n", std::process::id());
    assert!(refused.stderr.ends_with(&fix), "{refused}");
    assert_eq!(agree(&host), "192.0.2.2 id 7 subflow \n");
}

#[test]
fn another_namespace_is_named_by_name_path_or_process() {
    // /run/netns is a fresh one here, in a mount namespace of the script's own.
    let script = r#"
        cover /run
        ip netns add one
        ip netns add 7
        /mnt/mptcpize endpoint add --netns one --force 192.0.2.1 subflow
        ip -n 7 mptcp endpoint add 192.0.2.7
        ip netns exec one tail -f /dev/null --pid=$$ &
        process=$!
        until [[ $(readlink /proc/$process/ns/net) == "net:[$(stat -Lc %i /run/netns/one)]" ]]; do :; done
        for place in one /run/netns/one $process 7; do
            /mnt/mptcpize endpoint show --netns $place
        done
        /mnt/mptcpize endpoint show
        kill $process
    "#;
    let outcome = mounts::private(script).run().ok();
    let one = "192.0.2.1 id 1 subflow \n";
    assert_eq!(outcome.stdout, format!("{one}{one}{one}192.0.2.7 id 1 \n"), "{outcome}");
}

#[test]
fn the_library_reads_what_it_writes() {
    let host = host();
    let name = |name: &str| IfName::new(name).expect("a literal name");
    let endpoint = Endpoint {
        id: 3,
        address: "192.0.2.2".parse().expect("a literal address"),
        port: None,
        dev: Some(name("e0")),
        flags: Flags::SUBFLOW.with(Flags::BACKUP),
    };
    let limits = Limits { subflows: 8, add_addr_accepted: 1 };
    host.enter(|| {
        let mut pm = Pm::open().expect("this kernel has MPTCP");
        assert_eq!(pm.add(&endpoint), Ok(()));
        assert_eq!(pm.endpoints(), Ok(vec![endpoint.clone()]));
        assert_eq!(pm.get(3), Ok(endpoint.clone()));
        assert_eq!(pm.set_flags(3, Flags::FULLMESH), Ok(()));
        let flags = Flags::SUBFLOW.with(Flags::FULLMESH);
        assert_eq!(pm.get(3).map(|endpoint| endpoint.flags), Ok(flags));
        assert_eq!(pm.set_limits(limits), Ok(()));
        assert_eq!(pm.limits(), Ok(limits));
        let unknown = Endpoint { dev: Some(name("nope")), id: 4, ..endpoint.clone() };
        assert_eq!(pm.add(&unknown).map_err(|error| error.errno), Err(libc::ENODEV));
        assert_eq!(pm.delete(3, None), Ok(()));
        assert_eq!(pm.delete(3, None).map_err(|error| error.errno), Err(libc::EINVAL));
        assert_eq!(pm.delete(0, Some(endpoint.address)), Ok(()));
        assert_eq!(pm.flush(), Ok(()));
        assert_eq!(pm.endpoints(), Ok(vec![]));
    });
}

//! What the tool reads of links, addresses, rules and routes, against what `ip -j` shows of the
//! same namespace; and what it writes, as `ip` reads it.

use std::fmt::Debug;
use std::fs;
use std::net::IpAddr;

use serde_json::Value;

use crate::support::{Netns, scratch};
use mptcpize::host::netlink::KernelError;
use mptcpize::host::netlink::rtnl::Rtnl;
use mptcpize_model::net::{Action, Address, Family, IfName, Link, Prefix, Route, Rule};

/// A namespace with links of many kinds and addresses of many forms.
fn odd_host() -> Netns {
    let host = Netns::new();
    // A look for duplicates that ended between `ip` and us would make two answers of one host.
    host.sysctl("net/ipv6/conf/default/accept_dad", "0");
    for line in [
        "link add e0 type veth peer name e0peer",
        "link add e1 type veth peer name e1peer",
        "link add br0 type bridge",
        "link set e1 master br0",
        "link add mv0 link e0 type macvlan mode bridge",
        "link add vx0 type vxlan id 7 dstport 4789",
        "link add ifb0 type ifb",
        "tuntap add tun0 mode tun",
        "tuntap add tap0 mode tap",
        "link set e0 up",
        "link set e0peer up",
        "link set br0 up",
        "link set tun0 up",
        "address add 192.0.2.2/24 dev e0",
        "address add 192.0.2.3/24 dev e0",
        "address add 192.0.2.4/32 dev e0",
        "address add 198.51.100.9/25 dev e0 valid_lft 3000 preferred_lft 0",
        "address add 10.9.9.1/24 dev br0 scope link",
        // A PPP link's: one host here, one there.
        "address add 10.64.9.2 peer 10.64.9.1 dev tun0",
        "address add 10.64.9.6/32 dev tun0",
        "address add 2001:db8:1::2/64 dev e0 nodad",
        "address add 2001:db8:1::3/128 dev e0 nodad valid_lft 3000 preferred_lft 0",
        "address add 2001:db8:2::1/128 peer 2001:db8:2::2 dev tun0 nodad",
        "address add fec0::1/64 dev e0 scope site nodad",
    ] {
        host.ip(line);
    }
    host.sysctl("net/ipv6/conf/e1peer/accept_dad", "1");
    host.ip("address add 2001:db8:3::1/64 dev e1peer");
    host.settle();
    host
}

fn json(host: &Netns, arguments: &str) -> Vec<Value> {
    let text = host.ip(&format!("-j {arguments}"));
    // ip prints nothing at all where a table is empty.
    let value: Value = serde_json::from_str(if text.trim().is_empty() { "[]" } else { &text })
        .unwrap_or_else(|error| panic!("ip -j {arguments}: {error}\n{text}"));
    value.as_array().cloned().unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn has_flag(value: &Value, flag: &str) -> bool {
    value["flags"].as_array().is_some_and(|flags| flags.iter().any(|one| one == flag))
}

fn name(text: &str) -> IfName {
    IfName::new(text).expect("ip prints names of interfaces")
}

fn parse<T: std::str::FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("ip prints addresses and networks")
}

fn with<T: Send>(host: &Netns, work: impl FnOnce(&mut Rtnl) -> T + Send) -> T {
    host.enter(|| work(&mut Rtnl::open().expect("rtnetlink is there")))
}

fn ok<T>(outcome: Result<T, KernelError>) -> T {
    outcome.unwrap_or_else(|error| panic!("errno {}: {error}", error.errno))
}

#[test]
fn links_are_those_of_ip() {
    let host = odd_host();
    let shown: Vec<Link> = json(&host, "-d link show")
        .iter()
        .map(|link| Link {
            name: name(text(link, "ifname").expect("a link has a name")),
            up: has_flag(link, "UP"),
            carrier: has_flag(link, "LOWER_UP"),
            loopback: has_flag(link, "LOOPBACK"),
            point_to_point: has_flag(link, "POINTOPOINT"),
            kind: link["linkinfo"]["info_kind"].as_str().map(str::to_owned),
            master: text(link, "master").map(name),
            lower: text(link, "link").map(name),
        })
        .collect();
    assert_eq!(with(&host, |rtnl| ok(rtnl.links())), shown);
    let kinds: Vec<_> = shown.iter().filter_map(|link| link.kind.as_deref()).collect();
    assert_eq!(
        kinds,
        ["veth", "veth", "veth", "veth", "bridge", "macvlan", "vxlan", "ifb", "tun", "tun"],
        "the host is not as odd as it should be"
    );
    assert!(shown.iter().any(|link| link.master.is_some() && link.name == name("e1")));
    assert!(shown.iter().any(|link| link.point_to_point) && shown.iter().any(|link| link.carrier));
}

#[test]
fn a_long_message_hides_no_link() {
    let host = Netns::new();
    host.ip("link add e0 type veth peer name e1");
    // Names of 120 bytes each, so that the message is longer than a page.
    for number in 0..60 {
        host.ip(&format!("link property add dev e0 altname {}{number}", "a".repeat(118)));
    }
    host.ip(&format!("link set dev e0 alias {}", "b".repeat(250)));
    let links = with(&host, |rtnl| ok(rtnl.links()));
    let names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["lo", "e1", "e0"]);
}

#[test]
fn addresses_are_those_of_ip() {
    let host = odd_host();
    let mut shown = Vec::new();
    for family in ["inet", "inet6"] {
        for link in json(&host, "address show") {
            for address in link["addr_info"].as_array().into_iter().flatten() {
                if text(address, "family") != Some(family) {
                    continue;
                }
                let flag = |flag: &str| address.get(flag).and_then(Value::as_bool) == Some(true);
                shown.push(Address {
                    dev: name(text(&link, "ifname").expect("a link has a name")),
                    address: parse(text(address, "local").expect("an address")),
                    length: u8::try_from(address["prefixlen"].as_u64().expect("a length"))
                        .expect("at most 128"),
                    peer: text(address, "address").map(parse),
                    global: text(address, "scope") == Some("global"),
                    deprecated: flag("deprecated"),
                    tentative: flag("tentative") || flag("dadfailed"),
                    temporary: flag("temporary"),
                    secondary: flag("secondary"),
                    protocol: 0,
                });
            }
        }
    }
    let mut read = with(&host, |rtnl| ok(rtnl.addresses()));
    // ip does not say who made an address.
    read.iter_mut().for_each(|address| address.protocol = 0);
    // ip lists by link, the kernel by hash or link: the order means nothing.
    assert_eq!(sorted(&read), sorted(&shown));
    let of = |address: &str| -> &Address {
        let address: IpAddr = parse(address);
        read.iter().find(|one| one.address == address).expect("it was added")
    };
    assert!(of("198.51.100.9").deprecated && of("2001:db8:1::3").deprecated);
    assert!(of("192.0.2.3").secondary && !of("192.0.2.4").secondary);
    assert_eq!(of("10.64.9.2").peer, Some(parse("10.64.9.1")));
    assert_eq!(of("10.64.9.2").network().to_string(), "10.64.9.1");
    assert_eq!(of("2001:db8:2::1").peer, Some(parse("2001:db8:2::2")));
    assert!(of("2001:db8:3::1").tentative, "a link that is down cannot look for duplicates");
    assert!(!of("10.9.9.1").global && !of("fec0::1").global && of("192.0.2.2").global);
}

fn sorted<T: Debug>(list: &[T]) -> Vec<String> {
    let mut lines: Vec<String> = list.iter().map(|item| format!("{item:?}")).collect();
    lines.sort();
    lines
}

#[test]
fn rules_are_those_of_ip() {
    let host = odd_host();
    for line in [
        "from 192.0.2.2 lookup 101 priority 100 protocol 99",
        "from 10.0.0.0/8 lookup 4000000000 priority 101",
        "from all lookup main suppress_prefixlength 0 priority 102",
        "not from all fwmark 0xca6c lookup 51820 priority 103",
        "from 192.0.2.2 iif e0 lookup 7 priority 104",
        "from 192.0.2.2 iif lo lookup 7 priority 118",
        "from all to 192.0.2.0/24 lookup 7 priority 105",
        "from all ipproto tcp dport 80 lookup 7 priority 106",
        "from all uidrange 0-99 lookup 7 priority 107",
        "from all tos 0x10 lookup 7 priority 108",
        "from 192.0.2.7 unreachable priority 109",
        "from all goto 32766 priority 110",
        "from all oif e0 lookup 7 priority 111 suppress_ifgroup 3",
        "from all fwmark 0/1 lookup 7 priority 112",
        "from all lookup 7 priority 113 realms 3/4",
        "from all fwmark 5 goto 32766 priority 114",
        "from 192.0.2.7 blackhole priority 115",
        "from 192.0.2.7 prohibit priority 116",
        "from all nop priority 117",
    ] {
        host.ip(&format!("rule add {line}"));
    }
    host.ip("-6 rule add from 2001:db8::/32 lookup 102 priority 100 protocol 99");
    let read = with(&host, |rtnl| ok(rtnl.rules()));
    let mut shown = Vec::new();
    for (family, option) in [(Family::V4, "-4"), (Family::V6, "-6")] {
        shown.extend(json(&host, &format!("{option} -N -d rule show")).iter().map(|rule| {
            let number = |key: &str| text(rule, key).and_then(|number| number.parse().ok());
            let src = text(rule, "src").filter(|src| *src != "all").map(|src| {
                let length = rule["srclen"].as_u64().map_or(family.bits(), |bits| bits as u8);
                Prefix { address: parse(src), length }
            });
            let plain = ["priority", "src", "srclen", "table", "protocol", "suppress_prefixlen"];
            let known = plain.iter().chain(&["action", "goto", "nop"]);
            let known: Vec<_> = known.collect();
            Rule {
                priority: rule["priority"].as_u64().expect("a priority") as u32,
                family,
                from: src,
                local: text(rule, "iif") == Some("lo"),
                action: match (text(rule, "action"), rule["goto"].as_u64()) {
                    // `-N` has actions as numbers, too (`RTN_*`, include/uapi/linux/rtnetlink.h).
                    (Some("6"), _) => Action::Blackhole,
                    (Some("7"), _) => Action::Unreachable,
                    (Some("8"), _) => Action::Prohibit,
                    (None, Some(to)) => Action::Goto(to as u32),
                    (None, None) if rule.get("nop").is_some() => Action::Nop,
                    (None, None) => Action::Lookup,
                    (Some(other), _) => panic!("{other:?} is none of ours"),
                },
                table: number("table").unwrap_or(0),
                suppress: rule["suppress_prefixlen"].as_u64().map(|length| length as u32),
                protocol: number("protocol").unwrap_or(0) as u8,
                conditional: rule
                    .as_object()
                    .expect("an object")
                    .iter()
                    .filter(|(key, value)| *key != "iif" || *value != "lo")
                    .any(|(key, _)| !known.iter().any(|known| *known == key)),
            }
        }));
    }
    assert_eq!(read, shown);
    let conditional: Vec<u32> =
        read.iter().filter(|rule| rule.conditional).map(|rule| rule.priority).collect();
    assert_eq!(conditional, [103, 104, 105, 106, 107, 108, 111, 112, 113, 114]);
}

#[test]
fn routes_are_those_of_ip() {
    let host = odd_host();
    for line in [
        "default via 192.0.2.1 dev e0 table 101 proto 99",
        "default via 192.0.2.9 dev e0 table 101 metric 50 src 192.0.2.2",
        "203.0.113.0/24 table 101 nexthop via 192.0.2.1 dev e0 nexthop via 192.0.2.7 dev e0",
        "203.0.113.7 via 10.99.99.99 dev e0 onlink table 101",
        "10.8.0.0/16 dev tun0 table 101",
        "10.9.0.0/16 via inet6 fe80::1 dev e0 table 101",
        "0.0.0.0/1 dev tun0 table 101",
        "unreachable 10.10.0.0/16 table 101",
        "blackhole 10.11.0.0/16 table 101",
        "local 10.12.0.0/16 dev lo table 101",
        "10.13.0.0/16 dev e0 tos 0x10 table 101",
        "10.14.0.0/16 dev e0 mtu 1400 advmss 1000 table 101",
    ] {
        host.ip(&format!("route add {line}"));
    }
    for line in [
        "default via 2001:db8:1::1 dev e0 table 101 proto 99",
        "default via fe80::7 dev e0 table 101 metric 5000",
        "2001:db8:8::/48 table 101 nexthop via 2001:db8:1::1 dev e0 nexthop via 2001:db8:2::2 dev tun0",
        "2001:db8:9::/48 from 2001:db8:1::/64 dev e0 table 101",
        "unreachable 2001:db8:a::/48 table 101",
    ] {
        host.ip(&format!("-6 route add {line}"));
    }
    let read = with(&host, |rtnl| {
        [ok(rtnl.routes_in(101, Family::V4)), ok(rtnl.routes_in(101, Family::V6))].concat()
    });
    let shown = [shown_routes(&host, "-4", 101), shown_routes(&host, "-6", 101)].concat();
    assert_eq!(sorted(&read), sorted(&shown));
    let lines: Vec<String> = read.iter().map(Route::to_string).collect();
    for expected in [
        "default via 192.0.2.1 dev e0 table 101",
        "203.0.113.0/24 via 192.0.2.7 dev e0 table 101",
        "203.0.113.7 via 10.99.99.99 dev e0 table 101 onlink",
        "10.9.0.0/16 via fe80::1 dev e0 table 101",
        "default via fe80::7 dev e0 table 101 metric 5000",
        "2001:db8:8::/48 via 2001:db8:2::2 dev tun0 table 101 metric 1024",
        "2001:db8:9::/48 from 2001:db8:1::/64 dev e0 table 101 metric 1024",
        "10.14.0.0/16 dev e0 table 101 mtu 1400 advmss 1000",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{lines:#?}");
    }
    for other in ["10.10.", "10.11.", "10.12.", "10.13.", "2001:db8:a:"] {
        assert!(!lines.iter().any(|line| line.contains(other)), "{other}\n{lines:#?}");
    }
    assert_eq!(with(&host, |rtnl| ok(rtnl.routes_in(4242, Family::V4))), []);
    assert_eq!(with(&host, |rtnl| ok(rtnl.routes_in(4242, Family::V6))), []);
}

/// The unicast routes of a table that the model can say, as ip shows them.
fn shown_routes(host: &Netns, family: &str, table: u32) -> Vec<Route> {
    let mut all = Vec::new();
    for route in json(host, &format!("{family} -N -d route show table {table}")) {
        let kind = text(&route, "type").unwrap_or("1");
        if kind != "1" && kind != "unicast" || route.get("tos").is_some() {
            continue;
        }
        let to = text(&route, "dst").filter(|dst| *dst != "default").map(parse);
        let hops = route["nexthops"].as_array().cloned().unwrap_or_else(|| vec![route.clone()]);
        for hop in hops {
            let onlink = |value: &Value| has_flag(value, "onlink");
            all.push(Route {
                table,
                family: if family == "-4" { Family::V4 } else { Family::V6 },
                to,
                from: text(&route, "from").map(parse),
                via: text(&hop, "gateway").or(text(&hop["via"], "host")).map(parse),
                dev: name(text(&hop, "dev").expect("a link")),
                src: text(&route, "prefsrc").map(parse),
                metric: route["metric"].as_u64().unwrap_or(0) as u32,
                protocol: text(&route, "protocol")
                    .and_then(|number| number.parse().ok())
                    .unwrap_or_else(|| panic!("{route}")),
                onlink: onlink(&hop),
                // What is odd about a scope has a test of its own.
                scope: None,
                metrics: route
                    .get("metrics")
                    .and_then(|all| serde_json::from_value(all[0].clone()).ok())
                    .unwrap_or_default(),
                encapsulated: false,
            });
        }
    }
    all
}

/// Many routes at once; ip's batch is the fastest way to make them.
fn many_routes(host: &Netns, option: &str, lines: impl Iterator<Item = String>) {
    let file = scratch("batch").join("routes");
    let text: String = lines.map(|line| format!("route add {line}\n")).collect();
    fs::write(&file, text).expect("a scratch file can be written");
    host.ip(&format!("{option} -batch {}", file.display()));
}

#[test]
fn five_thousand_routes_are_all_read() {
    let host = odd_host();
    let network = |number: u32| format!("10.{}.{}.0/24", 100 + number / 256, number % 256);
    let lines =
        (0..5000).map(|number| format!("{} via 192.0.2.1 dev e0 table 200", network(number)));
    many_routes(&host, "", lines);
    let read = with(&host, |rtnl| ok(rtnl.routes_in(200, Family::V4)));
    assert_eq!(read.len(), 5000);
    assert_eq!(sorted(&read), sorted(&shown_routes(&host, "-4", 200)));
}

#[test]
fn what_stays_is_read_once_while_other_things_change() {
    let host = Netns::new();
    host.ip("link add e0 type veth peer name e1");
    let batch = |lines: &mut dyn Iterator<Item = String>| {
        let file = scratch("batch").join("addresses");
        fs::write(&file, lines.collect::<String>()).expect("a scratch file can be written");
        host.command("ip").args(["-batch", &file.display().to_string()])
    };
    let address = |net: u32, number: u32| format!("{net}.{}.{}.1", number / 250, number % 250);
    // The kernel counts where it is in a list. While a first address goes, the rest move up, and
    // the next part of a dump would begin too far down.
    let line =
        |word: &str, net, number| format!("address {word} {}/32 dev e0\n", address(net, number));
    let first = (0..4000).map(|number| line("add", 172, number));
    batch(&mut first.chain((0..2000).map(|number| line("add", 10, number)))).run().ok();
    let mut expected: Vec<IpAddr> = (0..2000).map(|number| parse(&address(10, number))).collect();
    expected.sort();
    let mut changing = batch(&mut (0..4000).map(|number| line("del", 172, number))).start();
    let (mut whole, mut refused) = (0, 0);
    loop {
        let ended = changing.ended();
        match with(&host, |rtnl| rtnl.addresses()) {
            Ok(read) => {
                let mut found: Vec<IpAddr> = read.iter().map(|one| one.address).collect();
                found.retain(|one| one.to_string().starts_with("10."));
                found.sort();
                assert!(found == expected, "{} of {} addresses", found.len(), expected.len());
                whole += 1;
            }
            // Too much changed, too often: said, and not guessed.
            Err(error) => {
                assert_eq!(error.errno, libc::EINTR, "{error}");
                refused += 1;
            }
        }
        if ended {
            break;
        }
    }
    changing.finish().ok();
    println!("{whole} whole answers, {refused} times none");
}

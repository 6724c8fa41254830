//! What the administrator, a VPN or a container engine arranged keeps its say after
//! `mptcpize setup`, for packets from every uplink's address: asked of the kernel with
//! `ip route get`, and seen in the links' byte counters.

use crate::support::uplinks::{PORT, SERVER_V4, Uplinks, transfer_py};

const RATE: &str = "15mbit";
const BYTES: u64 = 1_000_000;

/// The way to `to` from each address: the link that `ip route get` names.
fn ways(lab: &Uplinks, to: &str, sources: &[&str]) -> Vec<String> {
    let sources = std::iter::once(String::new())
        .chain(sources.iter().map(|source| format!(" from {source}")));
    sources
        .map(|from| {
            let way = lab.client.net.ip(&format!("route get {to}{from}"));
            let link = way.split(" dev ").nth(1).and_then(|rest| rest.split(' ').next());
            link.unwrap_or_else(|| panic!("{way}")).to_owned()
        })
        .collect()
}

#[test]
fn a_static_route_through_one_uplink_is_taken_from_the_others_address() {
    let lab = Uplinks::two_subnets(RATE);
    lab.router.ip("route add 10.50.0.0/24 via 10.99.0.1");
    lab.server.net.ip("address add 10.50.0.1/24 dev lo");
    lab.client.net.ip("route add 10.50.0.0/24 via 10.2.0.254 dev w2");
    let _server = lab.serve();
    lab.client.setup("");
    let addresses = ["10.1.0.1", "10.2.0.1"];
    assert_eq!(ways(&lab, "10.50.0.1", &addresses), ["w2", "w2", "w2"]);
    assert_eq!(ways(&lab, SERVER_V4, &addresses), ["w1", "w1", "w2"]);
    let client = lab.client.command("python3").arg(transfer_py());
    let words = ["put", "10.50.0.1", &PORT.to_string(), &BYTES.to_string(), "10.1.0.1"];
    let moved = lab.observe(client.args(words));
    // The acknowledgements come back to the address's own link.
    assert!(moved.by_link[1] > BYTES && moved.by_link[0] < BYTES / 10, "{moved:?}");
}

#[test]
fn rules_of_a_vpn_are_asked_before_ours() {
    for before_setup in [true, false] {
        let lab = Uplinks::two_subnets(RATE);
        let client = &lab.client.net;
        client.ip("tuntap add dev wg0 mode tun");
        client.ip("address add 10.200.0.2/32 dev wg0");
        client.ip("link set wg0 up");
        let vpn = || {
            // As wg-quick does; rules without a priority go before those that are there.
            client.ip("route add default dev wg0 table 51820");
            client.ip("rule add not fwmark 51820 table 51820");
            client.ip("rule add table main suppress_prefixlength 0");
        };
        if before_setup {
            vpn();
        }
        let arguments = if before_setup { "--beside-vpn" } else { "" };
        let plan = lab.client.setup(&format!("--dry-run {arguments}"));
        assert!(plan.contains("wg0 (a tunnel over the others (tun))"), "{plan}");
        let note = "the rule \"from all lookup 51820";
        assert!(!before_setup || plan.contains("is asked before ours (a VPN?)"), "{plan}\n{note}");
        lab.client.setup(arguments);
        if !before_setup {
            vpn();
        }
        let addresses = ["10.1.0.1", "10.2.0.1"];
        assert_eq!(ways(&lab, "192.0.2.1", &addresses), ["wg0"; 3], "{before_setup}");
        // The tunnel's own packets, marked, go over the uplinks; the local networks stay.
        let marked = client.ip("route get 192.0.2.1 mark 51820");
        assert!(marked.contains("dev w1"), "{marked}");
        assert_eq!(ways(&lab, "10.2.0.254", &addresses), ["w2"; 3]);
    }
}

#[test]
fn a_container_bridge_is_no_path_and_stays_reachable_from_every_address() {
    let lab = Uplinks::two_subnets(RATE);
    let client = &lab.client.net;
    client.ip("link add docker0 type bridge");
    client.ip("address add 172.17.0.1/16 dev docker0");
    client.ip("link set docker0 up");
    client.ip(&format!("link add veth1 type veth peer name eth0 netns {}", lab.server.net.path()));
    client.ip("link set veth1 master docker0");
    client.ip("link set veth1 up");
    lab.server.net.ip("address add 172.17.0.2/16 dev eth0");
    lab.server.net.ip("link set eth0 up");
    let plan = lab.client.setup("--dry-run");
    assert!(plan.contains("docker0 (no route to a gateway)"), "{plan}");
    assert!(plan.contains("veth1 (part of docker0)"), "{plan}");
    let _server = lab.serve();
    lab.client.setup("");
    assert_eq!(ways(&lab, "172.17.0.2", &["10.1.0.1", "10.2.0.1"]), ["docker0"; 3]);
    let before = crate::support::kernel::traffic(client, "docker0").sent;
    let client = lab.client.command("python3").arg(transfer_py());
    let words = ["put", "172.17.0.2", &PORT.to_string(), &BYTES.to_string(), "10.2.0.1"];
    client.args(words).run().ok();
    let sent = crate::support::kernel::traffic(&lab.client.net, "docker0").sent - before;
    assert!(sent > BYTES, "{sent}");
}

#[test]
fn the_local_networks_are_reached_directly_from_every_address() {
    let lab = Uplinks::three_dongles(RATE);
    lab.client.setup("");
    let addresses = ["192.168.0.11", "192.168.0.12", "192.168.0.13"];
    // Directly, by whichever link main prefers for the shared network; and the world by one's own.
    for way in ways(&lab, "192.168.0.77", &addresses) {
        assert!(["w1", "w2", "w3"].contains(&way.as_str()), "{way}");
    }
    assert_eq!(ways(&lab, "192.0.2.1", &addresses), ["w1", "w1", "w2", "w3"]);
}

#[test]
fn two_addresses_of_a_link_both_leave_by_it() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.net.ip("address add 10.2.0.9/24 dev w2");
    lab.client.setup("");
    let addresses = ["10.2.0.1", "10.2.0.9"];
    assert_eq!(ways(&lab, "192.0.2.1", &addresses), ["w1", "w2", "w2"]);
    let endpoints = lab.client.net.ip("mptcp endpoint show");
    assert_eq!(endpoints.lines().count(), 2, "{endpoints}");
}

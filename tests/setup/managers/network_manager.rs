//! NetworkManager: it makes an endpoint for each link that it manages, sets neither limits nor
//! source routing, and knows nothing of a VPN beside it.

use serde_json::Value;

use super::host::Host;
use crate::support::Running;
use crate::support::tunnel::{self, BEHIND_V4, Style};
use crate::support::wait;

/// A profile for a link.
fn profile(host: &Host, link: usize, address: &str, gateway: &str) {
    let path = format!("/etc/NetworkManager/system-connections/w{link}.nmconnection");
    let text = format!(
        "[connection]\nid=w{link}\ntype=ethernet\ninterface-name=w{link}\n\
         [ipv4]\nmethod=manual\naddresses={address}/24\ngateway={gateway}\nroute-metric={link}00\n\
         [ipv6]\nmethod=disabled\n"
    );
    host.machine.write(&path, &text);
    host.sh(&format!("chmod 600 {path}"));
}

/// Starts it, and waits until these links are managed and have endpoints.
fn manage(host: &Host, links: &[(usize, &str)]) {
    host.start("NetworkManager", "network-manager");
    for (link, _) in links {
        // `connected`, and not `connecting`.
        let connected = format!("nmcli -g DEVICE,STATE device | grep -x w{link}:connected");
        host.wait_for("connected", &connected);
    }
    let addresses: Vec<&str> = links.iter().map(|(_, address)| *address).collect();
    host.wait_for_endpoints(&addresses);
}

/// Two links in networks of their own, both managed.
pub(super) fn managed() -> Host {
    let host = Host::new();
    for link in [1, 2] {
        host.plug(link);
        profile(&host, link, &format!("10.{link}.0.1"), &format!("10.{link}.0.254"));
    }
    manage(&host, &[(1, "10.1.0.1"), (2, "10.2.0.1")]);
    host
}

#[test]
fn a_host_that_network_manager_bonds_is_left_alone_and_can_be_set_up_beside_it() {
    let host = managed();
    let (before, endpoints) = (host.state(), host.endpoints());
    assert_eq!(host.run(), "");
    assert_eq!(host.state(), before, "left alone");
    host.bonds();
    assert_eq!(host.state(), before, "left alone");
    // Asked for, it comes beside theirs; and then it is ours to repair.
    host.set_up();
    host.is_whole();
    assert_eq!(host.endpoints(), endpoints, "theirs are enough");
    host.sh(
        "for rule in $(ip rule | grep 'proto 86' | cut -d: -f1); do ip rule del pref $rule; done",
    );
    host.is_broken();
    host.run_sets_up();
    host.is_whole();
    host.bonds();
    host.undo(&before);
}

#[test]
fn a_link_that_network_manager_does_not_manage_is_set_up_beside_its_endpoints() {
    let host = Host::new();
    for link in [1, 2] {
        host.plug(link);
    }
    host.machine.write(
        "/etc/NetworkManager/conf.d/unmanaged.conf",
        "[keyfile]\nunmanaged-devices=interface-name:w2\n",
    );
    profile(&host, 1, "10.1.0.1", "10.1.0.254");
    host.number(2);
    manage(&host, &[(1, "10.1.0.1")]);
    let (before, theirs) = (host.state(), host.endpoints());
    assert_eq!(theirs.lines().count(), 1, "{theirs}");
    host.run_sets_up();
    let all = host.endpoints();
    assert!(all.contains(theirs.trim()) && all.contains("\n10.2.0.1 id "), "{theirs}{all}");
    host.is_whole();
    host.bonds();
    host.undo(&before);
}

#[test]
fn links_that_share_a_network_are_kept_from_answering_for_each_other() {
    let host = Host::new();
    for link in [1, 2] {
        host.plug(link);
        profile(&host, link, &format!("192.168.0.1{link}"), "192.168.0.1");
    }
    host.share();
    manage(&host, &[(1, "192.168.0.11"), (2, "192.168.0.12")]);
    let (before, theirs) = (host.state(), host.endpoints());
    host.run_sets_up();
    assert_eq!(host.endpoints(), theirs);
    let state = host.state();
    assert!(state.contains("w1 arp_ignore 1") && state.contains("w2 arp_ignore 1"), "{state}");
    host.is_whole();
    // The router asks again, and each card answers for itself alone.
    host.router.ip("neigh flush dev lan");
    host.bonds();
    host.undo(&before);
}

/// Brings a tunnel up over w1, with its far end on the router.
fn connect(host: &Host, style: Style) -> Running {
    let mut vpn = tunnel::start(style, &host.machine.network(), &host.router.path());
    wait::until("the devices tun0", || {
        assert!(!vpn.ended(), "tunnel.py ended");
        host.router.proc_net("dev").contains("tun0:")
            && host.machine.sh("ip link show tun0").code() == 0
    });
    host.router.ip("address add 10.8.0.1/24 dev tun0");
    host.router.ip("link set tun0 mtu 1400 up");
    host.router.ip(&format!("address add {BEHIND_V4}/32 dev lo"));
    host.sh("ip address add 10.8.0.2/24 dev tun0; ip link set tun0 mtu 1400 up");
    for command in style.commands() {
        host.sh(&format!("ip {command}"));
    }
    vpn
}

#[test]
fn endpoints_of_network_manager_that_lead_around_a_vpn_are_told_first_with_what_ends_it() {
    for style in [Style::LowerMetric, Style::WgQuick] {
        let host = managed();
        let _server = host.serve();
        let _vpn = connect(&host, style);
        assert!(!host.second_is_idle(BEHIND_V4), "{style:?}: there is a leak to be told of");

        let checked = host.machine.tool("check --json");
        assert_eq!(checked.code(), 3, "{checked}");
        let value: Value = serde_json::from_str(&checked.stdout).expect("it is JSON");
        let first = &value["findings"][0];
        assert_eq!(first["code"], "vpn.leak", "{style:?}: {:#}", value["findings"]);
        let fix = first["fix"].as_array().expect("a list").iter();
        let fix: Vec<&str> = fix.filter_map(Value::as_str).collect();
        assert!(!fix.is_empty(), "{first:#}");

        let status = host.machine.tool("status");
        assert_eq!(status.code(), 3, "{style:?}: {status}");
        // The first line is about MPTCP as such.
        let message = |line: &&str| ["x ", "! ", "- "].iter().any(|mark| line.starts_with(mark));
        let warned = status.stdout.lines().skip(1).find(message).unwrap_or_default();
        let told = "x vpn: connections through tun0 leave by ";
        assert!(warned.starts_with(told), "{style:?}: {status}");
        assert!(fix.iter().all(|line| status.stdout.contains(line)), "{style:?}: {status}");

        let said = host.run();
        assert_eq!(said.lines().count(), 1, "{style:?}: {said}");
        assert!(said.contains("tun0") && said.trim_end().ends_with(&fix.join(" && ")), "{said}");

        host.sh(&fix.join(" && "));
        let after = host.machine.tool("check --json").stdout;
        assert!(!after.contains("vpn.leak"), "{style:?}: {after}");
        assert!(host.second_is_idle(BEHIND_V4), "{style:?}: the line ends it");
    }
}

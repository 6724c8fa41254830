//! A newcomer's first five minutes on a fresh Debian 13 with two uplinks: installs the package with apt,
//! types the first tour of the README, and removes it again.
//!
//! The steps and what must hold of each are scripts/packaging/journey, which others run elsewhere. Not here:
//! upgrades (upgraded.rs) and other packages of our name (replaced.rs).

use std::path::{Path, PathBuf};

use crate::package::packages;
use crate::support::systemd::{Machine, machine_of};
use crate::support::wait::deadline;
use crate::support::{Launch, Netns, serve};

/// Links of this rate take seconds for the file below: the second one is wanted.
const RATE: &str = "20mbit";
const SIZE: usize = 8 << 20;

pub(super) fn fresh() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/images/fresh");
    assert!(path.is_dir(), "no image {}\n  fix: scripts/images", path.display());
    path
}

/// Gives the machine two uplinks, as DHCP leaves them, to a router with a server behind it.
fn two_uplinks(machine: &Machine) -> (Netns, Netns) {
    let (router, server) = (Netns::new(), Netns::new());
    router.sysctl("net/ipv4/ip_forward", "1");
    router.ip(&format!("link add core type veth peer name eth netns {}", server.path()));
    router.ip("address add 10.99.0.254/24 dev core");
    router.ip("link set core up");
    server.ip("address add 10.99.0.1/24 dev eth");
    server.ip("link set eth up");
    server.ip("route add default via 10.99.0.254");
    for link in 1..=2 {
        let machine_network = machine.network();
        router.ip(&format!("link add r{link} type veth peer name w{link} netns {machine_network}"));
        router.ip(&format!("address add 10.{link}.0.254/24 dev r{link}"));
        router.ip(&format!("link set r{link} up"));
        router.tc(&format!("qdisc add dev r{link} root tbf rate {RATE} burst 32kb latency 50ms"));
        machine
            .sh(&format!(
                // No addresses of IPv6, which come when they like.
                "ip link set w{link} addrgenmode none up
                 ip address add 10.{link}.0.1/24 dev w{link}
                 ip route add default via 10.{link}.0.254 dev w{link} metric {link}00"
            ))
            .ok();
    }
    (router, server)
}

#[test]
fn a_newcomer_installs_sees_understands_and_undoes_and_nothing_is_left() {
    let machine = machine_of(Some(&fresh()));
    let (_router, server) = two_uplinks(&machine);
    let (directory, _) = serve::content(SIZE);
    let _server = serve::python(&server, Launch::Tool, &directory, 8000);
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/packaging/journey");
    machine.install(&steps, "/opt/journey");
    machine.install(packages().0.as_ref(), "/opt/mptcpize-rs.deb");
    let typed = "DEBIAN_FRONTEND=noninteractive /opt/journey package=/opt/mptcpize-rs.deb \
                 http://10.99.0.1:8000/file 2>&1";
    // A dozen commands, and apt thrice.
    let told = machine.command(&["sh", "-c", typed]).start().finish_within(5 * deadline()).ok();
    assert!(told.stdout.ends_with("all held\n"), "{told}");
    machine.sh("rm /opt/journey /opt/mptcpize-rs.deb; ip link delete w1; ip link delete w2").ok();
}

/// A fresh Debian has no kill(1), for one: it is a package of its own.
#[test]
fn the_units_of_the_package_want_no_other_package_and_the_daemon_reloads() {
    let machine = machine_of(Some(&fresh()));
    machine.install(packages().0.as_ref(), "/opt/mptcpize-rs.deb");
    machine.sh("dpkg --force-unsafe-io -i /opt/mptcpize-rs.deb").ok();
    for unit in ["mptcpized", "mptcpize-gateway", "mptcpize-relay", "mptcpize-relay-agent"] {
        machine.sh(&format!("systemd-analyze verify --man=no {unit}.service")).silent();
    }
    machine.sh("systemctl start mptcpized; systemctl reload mptcpized").ok();
    assert_eq!(machine.property("mptcpized", "ActiveState"), "active");
    machine.sh("dpkg --purge mptcpize-rs; rm /opt/mptcpize-rs.deb").ok();
}

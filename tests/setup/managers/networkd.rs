//! systemd-networkd: it takes the rules of others away whenever it configures a link anew, and the
//! link's address for a moment; links have their addresses by DHCP.

use rustix::process::{Pid, Signal, kill_process};

use super::host::{Host, dhcp};
use crate::support::Running;

/// Two links with addresses and routes, and the DHCP server they came from.
pub(super) fn managed() -> (Host, Running) {
    let host = Host::new();
    for link in [1, 2] {
        host.plug(link);
        host.machine.write(
            &format!("/etc/systemd/network/10-w{link}.network"),
            &format!(
                "[Match]\nName=w{link}\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n\
                 IPv6AcceptRA=no\n[DHCPv4]\nClientIdentifier=mac\nRouteMetric={link}00\n"
            ),
        );
    }
    let server = dhcp(&host);
    host.start("systemd-networkd", "systemd");
    for link in [1, 2] {
        settled(&host, link);
    }
    (host, server)
}

/// Waits until the manager has given a link all that it has.
pub(super) fn settled(host: &Host, link: usize) {
    host.wait_for("a default route", &format!("ip route show default dev w{link} | grep ."));
    host.wait_for("configured", &format!("networkctl list w{link} | grep -w configured"));
}

/// Waits until the manager has taken our rules away, and what it deleted with w2's address is gone.
fn taken_away(host: &Host) {
    host.wait_for("our rules gone", "! ip rule | grep 'proto 86'");
    host.wait_for("w2's table gone", "! ip route show table all dev w2 | grep 'proto 86'");
}

#[test]
fn what_networkd_takes_away_is_seen_repaired_and_undone() {
    let (host, _server) = managed();
    let before = host.state();
    host.set_up();
    host.is_whole();
    let touched = "touch /etc/systemd/network/10-w2.network; networkctl reload";
    for event in ["networkctl reconfigure w2", touched, "replug"] {
        match event {
            "replug" => {
                host.sh("ip link delete w2");
                host.plug(2);
            }
            _ => drop(host.sh(event)),
        }
        taken_away(&host);
        settled(&host, 2);
        host.is_broken();
        host.run_sets_up();
        host.is_whole();
        assert_eq!(host.run(), "", "{event}: once is enough");
    }
    host.bonds();
    host.undo(&before);
}

#[test]
fn a_set_up_in_the_gap_of_a_reconfiguration_waits_for_the_address() {
    let (host, server) = managed();
    let before = host.state();
    host.set_up();
    let pid = Pid::from_raw(server.pid().cast_signed()).expect("it is a process");
    // The address returns when the server goes on, and not before.
    kill_process(pid, Signal::STOP).expect("the server runs");
    host.sh("networkctl reconfigure w2");
    taken_away(&host);
    assert_eq!(host.sh("ip -4 -o address show dev w2"), "");
    // How long it waits is no business of a loaded machine: it looks once more when it goes on.
    let setup = host.set_up_stopped();
    kill_process(pid, Signal::CONT).expect("the server is there");
    host.wait_for("the address", "ip -4 -o address show dev w2 | grep 10.2.0.1");
    host.resume();
    let said = setup.finish().silent().stdout;
    assert!(said.starts_with("set up w1 and w2 with "), "{said}");
    settled(&host, 2);
    host.is_whole();
    host.undo(&before);
}

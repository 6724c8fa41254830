//! `mptcpize daemon` beside each manager: what the manager does to a link is followed, and its own
//! endpoints are never touched.
//!
//! All managers and events, with the time that each takes: scripts/managers.

use super::host::Host;
use super::{mptcpd, network_manager, networkd};
use crate::support::uplinks::{PORT, SERVER_V4};
use crate::support::wait;

/// How often the daemon has set the host up.
const SET_UPS: &str = "journalctl -o cat -u mptcpized | grep -c 'set up w1 and w2 with'";
/// A set-up would find nothing to do.
const WHOLE: &str = "/opt/mptcpize setup --dry-run --exit-code";

/// Starts a daemon as a service, which tells each change, and waits for its first set-up.
fn follow(host: &Host) {
    host.sh("systemd-run --quiet --collect --unit=mptcpized --service-type=notify \
             /opt/mptcpize daemon --verbose");
    let status = "systemctl show -P StatusText mptcpized | grep -x 'w1 and w2 are set up'";
    host.wait_for("the set-up", status);
    // The journal may be later than the manager.
    host.wait_for("its line", &format!("(( $({SET_UPS}) > 0 ))"));
}

/// Lets something happen that takes away what was set up, and waits until it is there again.
fn is_followed(host: &Host, event: impl FnOnce()) {
    let before = host.sh(SET_UPS);
    event();
    host.wait_for("another set-up", &format!("(( $({SET_UPS}) > {before} ))"));
    host.wait_for("nothing to do", WHOLE);
}

/// Ends the daemon and takes back what it made.
fn undo(host: &Host, before: &str) {
    host.sh("systemctl stop mptcpized");
    host.undo(before);
}

#[test]
fn what_networkd_takes_away_is_made_again_at_once() {
    let (host, _server) = networkd::managed();
    let before = host.state();
    follow(&host);
    for event in ["networkctl reconfigure w2", "ip link set w2 down; ip link set w2 up"] {
        is_followed(&host, || drop(host.sh(event)));
        networkd::settled(&host, 2);
        host.wait_for("nothing to do", WHOLE);
        host.bonds();
    }
    undo(&host, &before);
}

#[test]
fn endpoints_of_network_manager_are_its_own_to_take_away_and_to_make() {
    let host = network_manager::managed();
    let theirs = host.endpoints();
    follow(&host);
    assert_eq!(host.endpoints(), theirs);
    is_followed(&host, || {
        host.router.ip("link set r2 down");
        // It waits for six seconds.
        host.wait_for("no endpoint", "! ip mptcp endpoint | grep '^10.2.0.1 id'");
        host.router.ip("link set r2 up");
        host.wait_for_endpoints(&["10.1.0.1", "10.2.0.1"]);
    });
    host.bonds();
    let touched = "journalctl -o cat -u mptcpized | grep -w endpoint || :";
    assert_eq!(host.sh(touched), "");
    host.sh("systemctl stop mptcpized");
    let said = host.machine.tool("setup undo").silent().stdout;
    assert!(said.starts_with("undid "), "{said}");
    let left = host.endpoints();
    assert!(left.contains("10.1.0.1 id ") && left.contains("10.2.0.1 id "), "{left}");
}

/// No message tells of limits: the daemon looks when a connection begins, once in ten seconds.
#[test]
fn limits_that_mptcpd_sets_at_its_start_are_raised_again_and_its_endpoints_stay() {
    let host = mptcpd::managed("addr-flags=subflow");
    follow(&host);
    let theirs = host.endpoints();
    let raised = "ip mptcp limits | grep 'subflows 8'";
    host.wait_for("the limits", raised);
    host.sh("systemctl restart mptcp");
    host.wait_for("mptcpd's limits", &format!("! {raised}"));
    let _server = host.serve();
    let connect = format!(
        "python3 -c 'import socket
socket.socket(proto=262).connect((\"{SERVER_V4}\", {PORT}))'"
    );
    wait::until("limits that a connection calls for", || {
        host.sh(&connect);
        host.machine.sh(raised).code() == 0
    });
    host.bonds();
    assert_eq!(host.endpoints(), theirs);
    host.sh("systemctl stop mptcpized");
    host.machine.tool("setup undo").silent();
    assert_eq!(host.endpoints(), theirs);
}

//! mptcpd: it makes an endpoint for each address that comes while it runs, with the flags of its
//! settings; Debian's settings name none, and such an endpoint is never used.

use super::host::Host;

/// Two links whose addresses came while it ran.
pub(super) fn managed(settings: &str) -> Host {
    let host = Host::new();
    // Debian's own file, with one setting of its commented ones.
    host.sh(&format!(
        "sed -i '/^addr-flags=/d' /etc/mptcpd/mptcpd.conf; echo '{settings}' >>/etc/mptcpd/mptcpd.conf"
    ));
    host.start("mptcp", "mptcpd");
    // It is a client of netlink once it has logged that it is.
    let log = "journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID mptcp)";
    host.wait_for("mptcpd to be up", &format!("{log} | grep 'path manager initialized'"));
    for link in [1, 2] {
        host.plug(link);
        host.number(link);
    }
    host.wait_for_endpoints(&["10.1.0.1", "10.2.0.1"]);
    host
}

#[test]
fn endpoints_without_flags_are_said_and_the_fix_bonds() {
    let host = managed("");
    let before = host.state();
    let theirs = host.endpoints();
    assert!(!theirs.contains("subflow") && !theirs.contains("signal"), "{theirs}");
    let id =
        theirs.lines().find_map(|line| line.strip_prefix("10.2.0.1 id ")).expect("it is there");
    let id = id.split(' ').next().expect("a number");
    let why = format!(
        "w2 carries nothing: the endpoint 10.2.0.1 (id {id}), which is not ours, has no flags"
    );
    assert_eq!(host.run(), format!("mptcpize: {why}\n"));
    let refused = host.machine.tool("setup");
    assert_eq!(refused.code(), 1, "{refused}");
    let said: Vec<&str> = refused.stderr.lines().collect();
    let [what, reason, fix] = said[..] else { panic!("{refused}") };
    assert_eq!(what, "error: a set-up would bond nothing");
    assert!(reason.starts_with(&format!("  why: {why}; mptcpd ")), "{refused}");
    assert!(reason.contains("addr-flags=subflow"), "{refused}");
    assert_eq!(host.state(), before, "left alone");
    host.sh(fix.strip_prefix("  fix: ").unwrap_or_else(|| panic!("{refused}")));
    host.bonds();
    let said = host.machine.tool("setup undo").silent().stdout;
    assert!(said.starts_with("undid "), "{said}");
    let left = host.endpoints();
    assert!(!left.contains("10.2.0.1") && left.contains("10.1.0.1 id "), "{left}");
}

#[test]
fn a_host_that_mptcpd_bonds_is_left_alone() {
    let host = managed("addr-flags=subflow");
    let before = host.state();
    assert_eq!(host.run(), "");
    host.bonds();
    assert_eq!(host.state(), before, "left alone");
}

/// mptcpd #152: with the path manager in user space and the plugin that Debian's settings load, no subflow is
/// opened beside the first, whatever the endpoints say.
#[test]
fn a_set_up_beside_mptcpd_that_opens_the_subflows_says_that_nothing_is_bonded_and_the_fix_bonds() {
    let host = managed("addr-flags=subflow");
    host.sh("sysctl -qw net.mptcp.pm_type=1");
    let said = host.machine.tool("setup").silent().stdout;
    let told = "mptcpd opens the subflows, and none from what mptcpize setup made\n    fix: ";
    let (_, fix) = said.split_once(told).unwrap_or_else(|| panic!("{said}"));
    host.sh(fix.lines().next().expect("a line"));
    let said = host.machine.tool("setup").silent().stdout;
    assert_eq!(said, "already set up: w1 and w2\n");
    host.bonds();
}

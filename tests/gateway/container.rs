//! A gateway where root is nobody to the host: in a user namespace, as containers without privilege have it.

use crate::lan::relay;
use crate::support::scratch::{self, copy, scratch};
use crate::support::{Cmd, tool};

/// Two uplinks and a LAN without anybody at their other ends, and a gateway until it carries connections.
const SCRIPT: &str = r#"
    mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/cache
    # Of this root, for the host's is nobody here.
    mkdir /run/bin; cp "$0"/* /run/bin
    # Links get no addresses by themselves, at whatever moment.
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
    ip link set lo up
    for link in 1 2; do
        ip link add w$link type veth peer name p$link
        ip link set p$link up; ip link set w$link up
        ip address add 10.$link.0.1/24 dev w$link
        ip route add default via 10.$link.0.254 dev w$link metric $link
    done
    ip link add br0 type bridge; ip address add 192.168.77.1/24 dev br0; ip link set br0 up
    look() { ip rule; ip route show table all | grep -v multicast; ip mptcp endpoint; nft list ruleset; }
    look >/run/before
    exec 3< <(exec /run/bin/mptcpize gateway --lan br0 2>&1)
    gateway=$!
    while read -r line <&3; do
        echo "$line"
        case $line in *" goes over "*) break ;; esac
    done
    relay=$(pgrep -P $gateway -x mptcpize-relay)
    grep CapEff /proc/$relay/status
    nft list tables
    kill $gateway
    cat <&3
    look | diff /run/before -
"#;

#[test]
fn it_runs_without_privilege_on_the_host_and_leaves_nothing() {
    let place = scratch("programs");
    copy(tool::binary(), &place.join("mptcpize"), 0o755);
    copy(&relay(), &place.join("mptcpize-relay"), 0o755);
    let id = scratch::NOBODY;
    let nobody = Cmd::new("setpriv").args([format!("--reuid={id}"), format!("--regid={id}")]);
    let outside = nobody.args(["--clear-groups", "unshare", "-Urnm", "bash", "-euc", SCRIPT]);
    let said = outside.arg(place).run().silent().stdout;
    for line in [
        "mptcpize: TCP of br0 goes over w1 and w2\n",
        "CapEff:\t0000000000001000\n",
        "table inet mptcpize\n",
        "mptcpize: ended, and took back ",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

//! Two links with a default route each, on a machine with its own systemd.

use crate::support::systemd::Machine;

/// Makes `w1` and `w2`, with the addresses 10.1.0.1 and 10.2.0.1.
pub(super) fn uplinks(machine: &Machine) {
    machine
        .sh("
            for link in 1 2; do
                ip link add w$link type veth peer name p$link
                # No addresses of IPv6, which come when they like.
                ip link set p$link addrgenmode none up
                ip link set w$link addrgenmode none up
                ip addr add 10.$link.0.1/24 dev w$link
                ip route add default via 10.$link.0.254 dev w$link metric $link
            done")
        .ok();
}

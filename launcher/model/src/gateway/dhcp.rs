//! What dnsmasq(8) is told, where the gateway gives clients their addresses: half of each network of the
//! LAN by DHCP, addresses of IPv6 by router advertisements, and names by the resolvers of this host.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::HostState;
use crate::net::{Address, IfName};

/// For how long an address is given.
const LEASE: &str = "12h";

/// The longest prefix of a network with enough addresses to give: 14.
const LONGEST: u8 = 28;

/// The text of its settings; `leases` is the file of the addresses that were given.
pub fn settings(state: &HostState, lan: &[IfName], leases: &str) -> String {
    let mut text = String::from(
        "# Written by mptcpize gateway; gone when it ends.\n\
         keep-in-foreground\nlog-facility=-\npid-file\nbind-dynamic\nexcept-interface=lo\n\
         domain-needed\nbogus-priv\ndhcp-authoritative\nquiet-dhcp\nquiet-dhcp6\nquiet-ra\n",
    );
    let _ = writeln!(text, "dhcp-leasefile={leases}");
    for dev in lan {
        let _ = writeln!(text, "interface={dev}");
        let own = state.addresses.iter().filter(|one| one.dev == *dev && one.global);
        let mut v6 = false;
        for Address { address, length, .. } in own {
            match address {
                IpAddr::V4(v4) => {
                    if let Some((first, last)) = half(*v4, *length) {
                        let mask = Ipv4Addr::from(mask(*length));
                        let _ = writeln!(text, "dhcp-range={first},{last},{mask},{LEASE}");
                    }
                }
                IpAddr::V6(_) => v6 = true,
            }
        }
        if v6 {
            let _ = writeln!(text, "enable-ra\ndhcp-range=::,constructor:{dev},ra-stateless");
        }
    }
    text
}

/// The half of a network in which this host's own address is not.
fn half(own: Ipv4Addr, length: u8) -> Option<(Ipv4Addr, Ipv4Addr)> {
    if length > LONGEST {
        return None;
    }
    let (mask, own) = (mask(length), u32::from(own));
    let (first, last) = (own & mask, own | !mask);
    let middle = first + (last - first) / 2;
    let (from, to) = if own <= middle { (middle + 1, last - 1) } else { (first + 1, middle) };
    Some((Ipv4Addr::from(from), Ipv4Addr::from(to)))
}

fn mask(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_from_the_half_in_which_the_routers_own_is_not() {
        for (own, length, expected) in [
            ("192.168.77.1", 24, Some(("192.168.77.128", "192.168.77.254"))),
            ("192.168.77.254", 24, Some(("192.168.77.1", "192.168.77.127"))),
            ("10.0.0.1", 8, Some(("10.128.0.0", "10.255.255.254"))),
            ("192.168.77.1", 30, None),
        ] {
            let given = half(own.parse().expect("an address"), length);
            let given = given.map(|(first, last)| (first.to_string(), last.to_string()));
            let expected = expected.map(|(first, last)| (first.to_owned(), last.to_owned()));
            assert_eq!(given, expected, "{own}/{length}");
        }
    }
}

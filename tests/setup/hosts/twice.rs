//! The same address twice: USB modems of one make are all 192.168.8.100 behind 192.168.8.1, each a
//! router of its own. A second link gets an address that nobody else has, and a translation to the
//! real one as its packets leave.
//!
//! ```text
//!            ┌─ w1 192.168.8.100 ── 192.168.8.1 modem ── 10.201.0.0/24 ─┐
//!   client ──┼─ w2 192.168.8.100 ── 192.168.8.1 modem ── 10.202.0.0/24 ─┼── router ── server
//!            └─ w3 10.3.0.1 ────────────────────────────── 10.3.0.254 ──┘
//! ```

use super::{everything, look};
use crate::support::check::check;
use crate::support::uplinks::{SERVER_V4, Uplinks, assert_same};
use crate::support::{Netns, scratch};

const RATE: &str = "15mbit";
/// Enough that the beginning of a transfer does not count.
const BYTES: u64 = 6_000_000;

/// So many modems as links w1, w2, …; `others` more links of the usual sort.
fn modems(count: usize, others: usize) -> (Uplinks, Vec<Netns>) {
    let lab = Uplinks::new(&vec![RATE; count + others]);
    let mut modems = Vec::new();
    for link in 1..=count {
        let modem = Netns::new();
        modem.sysctl("net/ipv4/ip_forward", "1");
        let (inside, outside) = (modem.path(), lab.router.path());
        lab.router.ip(&format!("link set r{link} netns {inside}"));
        modem.ip(&format!("link add wan type veth peer name m{link} netns {outside}"));
        modem.ip(&format!("address add 192.168.8.1/24 dev r{link}"));
        modem.ip(&format!("address add 10.20{link}.0.2/24 dev wan"));
        lab.router.ip(&format!("address add 10.20{link}.0.1/24 dev m{link}"));
        modem.ip(&format!("link set r{link} up"));
        modem.ip("link set wan up");
        lab.router.ip(&format!("link set m{link} up"));
        modem.ip(&format!("route add default via 10.20{link}.0.1"));
        modem.tc(&format!("qdisc add dev r{link} root tbf rate {RATE} burst 32kb latency 50ms"));
        // What is not its one client's it does not translate: a provider would drop it.
        let rules = "table ip modem {
            chain out {
                type nat hook postrouting priority 100
                oifname wan ip saddr 192.168.8.100 masquerade
            }
            chain through {
                type filter hook forward priority 0
                iifname r* ip saddr != 192.168.8.100 drop
            }
        }";
        modem.command("nft").args(["-f", "-"]).input(rules).run().ok();
        let client = &lab.client.net;
        client.ip(&format!("address add 192.168.8.100/24 dev w{link}"));
        client.ip(&format!("route add default via 192.168.8.1 dev w{link} metric {link}00"));
        modems.push(modem);
    }
    for link in count + 1..=count + others {
        lab.number_v4(link);
    }
    (lab, modems)
}

/// A table of somebody else's, which stays as it is.
fn firewall(lab: &Uplinks) {
    let rules = "table inet theirs {
        chain input {
            type filter hook input priority 0
        }
    }";
    lab.client.net.command("nft").args(["-f", "-"]).input(rules).run().ok();
}

#[test]
fn two_modems_with_the_same_address_both_carry_data_and_so_does_a_third_link() {
    for strict in [false, true] {
        let (lab, _modems) = modems(2, 1);
        firewall(&lab);
        if strict {
            for link in ["all", "default", "w1", "w2", "w3"] {
                lab.client.net.sysctl(&format!("net/ipv4/conf/{link}/rp_filter"), "1");
            }
        }
        let before = everything(&lab);
        let unbound = look::ways(&lab.client.net, &[]);
        let _server = lab.serve();
        let said = lab.client.setup("");
        assert!(said.starts_with("set up w1, w2 and w3 with "), "{said}");
        let own = lab.client.net.ip("-o -4 address show dev w2");
        assert!(own.contains(" 198.18.86.") && own.contains("/32 "), "{own}");
        for verb in ["get", "put"] {
            lab.transfer(verb, SERVER_V4, BYTES).used_all();
        }
        // Nothing that is not bound to an address goes another way than before.
        let after = look::ways(&lab.client.net, &[]);
        for before in unbound.iter().filter(|look| look.source.is_none()) {
            let after = after.iter().find(|after| after.question == before.question);
            let after = after.expect("it was asked again");
            assert_eq!((&before.dev, &before.via), (&after.dev, &after.via), "{before:?}");
        }
        check(&lab.client, "").finds(&[], "two modems");
        // A person knows the link by the address that the modem gave it.
        let status = lab.client.tool("status").run();
        assert_eq!(status.code(), 0, "{status}");
        let w2 = status.stdout.lines().find(|line| line.trim_start().starts_with("w2 "));
        assert!(w2.is_some_and(|line| line.contains("192.168.8.100")), "{status}");
        let again = lab.client.setup("");
        assert!(again.starts_with("already set up"), "{again}");
        lab.client.setup("undo");
        assert_same(&before, &everything(&lab), "undone");
    }
}

#[test]
fn without_nft_the_second_is_left_out_with_that_reason_and_the_rest_is_set_up() {
    let (mut lab, _modems) = modems(2, 1);
    // Where nft is on Debian; what is needed to get there is elsewhere.
    lab.client.mounting(&format!("mount --bind {} /usr/sbin", scratch("empty").display()));
    let before = everything(&lab);
    let plan = lab.client.setup("--dry-run");
    let left_out = plan.lines().find(|line| line.starts_with("Left out:")).unwrap_or_default();
    assert!(left_out.contains("w2 (") && left_out.contains("nft"), "{plan}");
    let said = lab.client.setup("");
    assert!(said.starts_with("set up w1 and w3 with "), "{said}");
    let _server = lab.serve();
    let moved = lab.transfer("get", SERVER_V4, BYTES);
    assert!(moved.by_link[0] > BYTES / 4 && moved.by_link[2] > BYTES / 4, "{moved:?}");
    lab.client.setup("undo");
    assert_same(&before, &everything(&lab), "undone");
}

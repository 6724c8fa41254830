//! `mptcpize check` on a host that was made a gateway: each fault is made for real, found, and gone once
//! its fix was pasted. The LAN has a name that no shell takes as it is.
//!
//! Not here: faults that this machine cannot have (pure/findings.rs); what the relay's answers look like
//! (gateway.rs).

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::gateway::{RELAY, state};
use crate::support::mounts::private;
use crate::support::{Netns, Outcome, scratch};
use mptcpize_model::checks::FIXABLE;

/// The host: two uplinks, a bridge, a relay that answers, and rules that hand over to it.
const HOST: &str = r#"
cover /run
export PATH=/mnt:$PATH
lan='a;id'
ip link add "$lan" type bridge
ip address add 192.168.77.1/24 dev "$lan"
ip address add fd77::1/64 dev "$lan" nodad
ip link add p1 type veth peer name p2
ip link set p1 master "$lan" up
ip link set p2 up
ip link set "$lan" up
for n in 1 2; do
    ip link add w$n type veth peer name r$n
    ip address add 10.$n.0.1/24 dev w$n
    ip link set w$n up
    ip link set r$n up
    ip route add default via 10.$n.0.254 dev w$n metric $n
done
mptcpize setup > /mnt/said
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.w1.rp_filter=0 net.ipv4.conf.w2.rp_filter=0
nft -f - <<'.'
table inet mptcpize {
    chain prerouting {
        type filter hook prerouting priority mangle;
        iifname "a;id" meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:8099
    }
}
.
mkdir -m 755 -p /run/mptcpize/gateway
cat > /run/mptcpize/gateway/settings.json <<'.'
{"port": 8099, "lan": ["a;id"], "uplinks": [
 {"dev": "w1", "addresses": ["10.1.0.1"]}, {"dev": "w2", "addresses": ["10.2.0.1"]}]}
.
exec 3< <(exec python3 "$1" /run/mptcpize/gateway/state state "$2")
relay=$!
trap 'kill $relay || true' EXIT
read -r <&3
look() { mptcpize check --json || test $? = 3; }
"#;

fn host(script: &str) -> Outcome {
    let home = scratch("lan");
    let (text, relay) = (home.join("state.json"), home.join("relay.py"));
    fs::write(&text, serde_json::to_string(&state()).expect("plain data")).expect("a scratch file");
    fs::write(&relay, RELAY).expect("a scratch file");
    let net = Netns::new();
    net.ip("link set lo up");
    private(&format!("{HOST}\n{script}")).arg(relay).arg(text).within(&net).run().ok()
}

/// The findings of the gateway that want attention, with the lines that mend them.
fn findings(checked: &Value) -> Vec<(&str, Vec<&str>)> {
    let list = checked["findings"].as_array().expect("a list");
    let bad = list.iter().filter(|one| {
        one["topic"] == "gateway" && (one["severity"] == "problem" || one["severity"] == "warning")
    });
    bad.map(|one| {
        let fix = one["fix"].as_array().expect("a list").iter().filter_map(Value::as_str);
        (one["code"].as_str().expect("a text"), fix.collect())
    })
    .collect()
}

/// A fault by a script, and what is found then.
type Fault = (&'static str, &'static [&'static str]);

const MENDED: &[Fault] = &[
    ("sysctl -qw net.bridge.bridge-nf-call-iptables=1", &["gateway.bridge"]),
    (
        "mptcpize endpoint flush; mptcpize endpoint add 10.2.0.1 dev w2 subflow",
        &["gateway.endpoint"],
    ),
    ("sysctl -qw net.ipv4.conf.w2.forwarding=0", &["gateway.forwarding"]),
    ("sysctl -qw net.ipv6.conf.all.forwarding=0", &["gateway.forwarding6"]),
    ("ip link set w2 mtu 1420", &["gateway.mtu"]),
    ("sysctl -qw net.ipv4.conf.w2.rp_filter=1", &["gateway.rp_filter"]),
    (
        "nft -f - <<'.'
         table ip squid { chain pre { type nat hook prerouting priority dstnat;
            iifname lo return
            tcp dport 80 redirect to :3128;
}
}\n.",
        &["gateway.proxy"],
    ),
    (
        // As Docker leaves it.
        "nft -f - <<'.'
         table ip filter {
            chain user { return; }
            chain FORWARD { type filter hook forward priority filter; policy drop;
                jump user
                oifname docker0 ct state established,related accept
                iifname docker0 accept;
}
}\n.",
        &["gateway.forward"],
    ),
    (
        // As on many a router that is reached by ssh.
        "nft -f - <<'.'
         table inet filter {
            chain input { type filter hook input priority filter; policy drop;
                ct state established,related accept
                iifname lo accept
                meta l4proto { icmp, ipv6-icmp } accept
                udp dport 53 accept
                tcp dport { 22, 80, 8000-8080 } accept
                tcp dport vmap { 25 : accept };
}
}\n.",
        &["gateway.input"],
    ),
    (
        // As OpenWrt's firewall leaves a modem that is in none of its zones.
        "nft -f - <<'.'
         table inet fw4 {
            chain handle_reject { meta l4proto tcp reject with tcp reset; reject; }
            chain accept_to_wan { meta nfproto ipv4 oifname w1 ct state invalid drop
                oifname { w1, usb0 } counter accept; }
            chain forward_lan { jump accept_to_wan; }
            chain forward { type filter hook forward priority filter; policy drop;
                ct state established,related accept
                iifname \"a;id\" jump forward_lan
                jump handle_reject;
}
}\n.",
        &["gateway.forward"],
    ),
    (
        "nft -f - <<'.'
         table inet odd {
            chain lan { ip daddr 192.0.2.0/24 accept; }
            chain last { counter drop; }
            chain f { type filter hook forward priority 5; policy accept;
                ct state vmap { established : accept, related : accept, invalid : drop }
                iifname vmap { \"a;id\" : goto last, w1 : accept };
}
}\n.",
        &["gateway.forward"],
    ),
];

#[test]
fn each_fault_is_found_and_its_fix_mends_it() {
    let mut tried = BTreeSet::new();
    for (make, expected) in MENDED {
        let paste = "python3 -c 'import json, sys
for one in json.load(sys.stdin)[\"findings\"]:
    if one[\"topic\"] == \"gateway\": print(\"\\n\".join(one[\"fix\"]))' < /mnt/before > /mnt/fix";
        let said = host(&format!(
            "{make}\nlook > /mnt/before\n{paste}\nsh -eu /mnt/fix > /mnt/said\nlook > /mnt/after
             cat /mnt/before /mnt/after"
        ));
        let both: Vec<Value> = serde_json::Deserializer::from_str(&said.stdout)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|why| panic!("{why}: {said}"));
        let found = findings(&both[0]);
        let codes: Vec<_> = found.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, *expected, "{make}: {:#}", both[0]["findings"]);
        assert!(found.iter().all(|(_, fix)| !fix.is_empty()), "{found:?}");
        assert_eq!(findings(&both[1]), [], "{make}: after {found:?}");
        tried.extend(expected.iter().copied());
    }
    let all: BTreeSet<_> =
        FIXABLE.iter().copied().filter(|code| code.starts_with("gateway.")).collect();
    assert_eq!(tried, all, "every fix is tried");
}

#[test]
fn faults_that_no_command_mends_are_found() {
    for (make, expected) in [
        ("true", &[][..]),
        ("kill $relay; wait $relay || true", &["gateway.relay"]),
        ("nft flush ruleset", &["gateway.not_handed_over"]),
        ("ip address del 10.2.0.1/24 dev w2", &["gateway.address"]),
        ("ip link set w1 down; ip link set w2 down", &["gateway.uplinks_down"]),
        ("ip link set \"$lan\" down", &["gateway.lan_down"]),
        ("kill -STOP $relay; trap 'kill -KILL $relay' EXIT", &["gateway.mute"]),
    ] {
        let said = host(&format!("{make}\nlook"));
        let checked: Value = serde_json::from_str(&said.stdout).expect("it is JSON");
        let codes: Vec<_> = findings(&checked).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, *expected, "{make}: {:#}", checked["findings"]);
    }
}

#[test]
fn the_way_back_from_a_crash_is_that_of_who_started_the_gateway() {
    let crash = "kill $relay; wait $relay || true\nmkdir -p /run/systemd/units";
    let service = "ln -s x /run/systemd/units/invocation:mptcpize-gateway.service";
    let both = "mptcpize check > /mnt/said || true; mptcpize status >> /mnt/said || true
        cat /mnt/said";
    let said = host(&format!("{crash}\n{both}")).stdout;
    assert!(!said.contains("mptcpize-gateway"), "no such unit ran: {said}");
    assert_eq!(said.matches("sudo mptcpize gateway undo ").count(), 2, "{said}");
    assert!(said.contains("sudo mptcpize gateway --lan 'a;id'"), "{said}");
    assert!(said.contains("(undo: mptcpize gateway undo)"), "{said}");
    let said = host(&format!("{crash}\n{service}\n{both}")).stdout;
    assert_eq!(said.matches("journalctl -u mptcpize-gateway").count(), 2, "{said}");
}

#[test]
fn rules_that_leave_the_lan_alone_are_no_fault() {
    for rules in [
        "table inet a { chain f { type filter hook forward priority 0; policy drop;
            iifname \"a*\" accept;
}
}",
        "table inet a { chain f { type filter hook forward priority 0; policy drop;
            ct state established accept
            ip saddr 192.168.77.0/24 accept;
}
}",
        "table inet a { chain f { type filter hook forward priority 0; policy accept;
            iifname != \"a;id\" drop
            iifname \"a;id\" oifname docker0 drop
            ct state invalid drop
            ip daddr 192.0.2.1 drop
            iifname \"a;id\" udp dport 443 reject;
}
}",
        "table inet a { chain p { type nat hook prerouting priority dstnat;
            iifname w1 tcp dport 80 redirect to :3128
            iifname \"a;id\" udp dport 53 redirect to :53;
}
}",
        "table inet a { chain three { }; chain two { jump three; }; chain one { jump two; }
            chain f { type filter hook forward priority 0; jump one; jump two;
}
}",
        "table inet a { chain i { type filter hook input priority 0; policy drop;
            iifname \"a;id\" tcp dport != 22 accept;
}
}",
        "table inet a { chain i { type filter hook input priority 0; policy drop;
            meta mark 0x8684 accept;
}
}",
        "table bridge a { chain f { type filter hook forward priority 0; policy drop;
}
}",
    ] {
        let said = host(&format!("nft -f - <<'.'\n{rules}\n.\nlook"));
        let checked: Value = serde_json::from_str(&said.stdout).expect("it is JSON");
        assert_eq!(findings(&checked), [], "{rules}: {:#}", checked["findings"]);
    }
}

#[test]
fn the_screen_says_what_why_and_how_and_others_are_told_less() {
    let said = host("mptcpize check | sed -n '/gateway/,$p'").stdout;
    assert!(
        said.starts_with("+ gateway") && said.contains("TCP of a;id goes over w1 and w2"),
        "{said}"
    );
    let hidden = "nobody mptcpize check > /mnt/said || test $? = 3; cat /mnt/said";
    let said = host(hidden).stdout;
    assert!(said.contains("the relay was not asked") && said.contains("only root may"), "{said}");
}

//! A VPN beside the uplinks of a host: a tunnel over its first link, in the four ways in which VPN
//! software leads a host's traffic into one, and what left the host beside the tunnel.
//!
//! ```text
//!   client  tun0 10.8.0.2 ═══ UDP over w1 ═══ 10.8.0.1 tun0  server, with 10.77.0.1 behind it
//!           w1, w2 ────────── router ──────── 10.99.0.1
//! ```
//!
//! The router knows 10.77.0.1 too: a packet that leaves the host beside the tunnel arrives, and so
//! does the answer. What is to stay in the tunnel does not stay there for want of another way.

use serde_json::Value;

use super::hold::Hold;
use super::uplinks::{PORT, SERVER_V4, SERVER_V6, Uplinks, transfer_py};
use super::{Cmd, Outcome, Running, kernel, scratch, wait};

/// What is downloaded from, through the tunnel: the server, at addresses of a network behind it.
pub const BEHIND_V4: &str = "10.77.0.1";
pub const BEHIND_V6: &str = "2001:db8:77::1";

/// The server's UDP port, WireGuard's.
const TUNNEL_PORT: &str = "51820";

/// How a VPN leads the host's traffic into its tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A default route that is better than the uplinks': NetworkManager.
    LowerMetric,
    /// Two halves of the world, each better than any default route: OpenVPN's `redirect-gateway
    /// def1`.
    Halves,
    /// A table that all packets but the tunnel's own are sent to, behind main without its default
    /// routes: wg-quick.
    WgQuick,
    /// A table that is asked before main: Tailscale's exit node.
    Tailscale,
    /// [`Style::Halves`] in IPv6 alone; IPv4 goes its ways as before.
    HalvesV6,
    /// [`Style::WgQuick`] in IPv6 alone.
    WgQuickV6,
    /// A tunnel for some networks only.
    Split,
}

impl Style {
    /// Those that take all of a family's traffic.
    pub const CAPTURING: [Style; 6] = [
        Style::LowerMetric,
        Style::Halves,
        Style::WgQuick,
        Style::Tailscale,
        Style::HalvesV6,
        Style::WgQuickV6,
    ];

    /// The address behind the tunnel that is downloaded from.
    pub fn target(self) -> &'static str {
        match self {
            Style::HalvesV6 | Style::WgQuickV6 => BEHIND_V6,
            _ => BEHIND_V4,
        }
    }

    /// The mark of the tunnel's own packets.
    fn mark(self) -> u32 {
        match self {
            Style::WgQuick | Style::WgQuickV6 => 51820,
            Style::Tailscale => 0x8_0000,
            _ => 0,
        }
    }

    /// `ip` commands that lead traffic into tun0, in the order of the software that has them.
    pub fn commands(self) -> &'static [&'static str] {
        match self {
            Style::LowerMetric => &[
                "route add 10.99.0.1/32 via 10.1.0.254 dev w1",
                "route add default via 10.8.0.1 dev tun0 metric 50",
            ],
            Style::Halves => &[
                "route add 10.99.0.1/32 via 10.1.0.254 dev w1",
                "route add 0.0.0.0/1 via 10.8.0.1 dev tun0",
                "route add 128.0.0.0/1 via 10.8.0.1 dev tun0",
            ],
            Style::WgQuick => &[
                "route add default dev tun0 table 51820",
                "rule add not fwmark 51820 table 51820",
                "rule add table main suppress_prefixlength 0",
            ],
            Style::Tailscale => &[
                "rule add pref 5210 fwmark 0x80000/0xff0000 lookup main",
                "rule add pref 5230 fwmark 0x80000/0xff0000 lookup default",
                "rule add pref 5250 fwmark 0x80000/0xff0000 unreachable",
                "rule add pref 5270 lookup 52",
                "route add throw 10.1.0.0/24 table 52",
                "route add throw 10.2.0.0/24 table 52",
                "route add default dev tun0 table 52",
            ],
            Style::HalvesV6 => &["route add ::/1 dev tun0", "route add 8000::/1 dev tun0"],
            Style::WgQuickV6 => &[
                "-6 route add default dev tun0 table 51820",
                "-6 rule add not fwmark 51820 table 51820",
                "-6 rule add table main suppress_prefixlength 0",
            ],
            Style::Split => &["route add 10.77.0.0/16 via 10.8.0.1 dev tun0"],
        }
    }
}

/// Two uplinks of both families, a server behind them, and a count of all that leaves beside the
/// tunnel; no tunnel yet.
pub fn host() -> Uplinks {
    let lab = Uplinks::new(&["100mbit"; 2]);
    for link in 1..=2 {
        lab.number_v4(link);
        lab.number_v6(link);
    }
    lab.router.ip(&format!("route add 10.77.0.0/16 via {SERVER_V4}"));
    lab.router.ip(&format!("route add 2001:db8:77::/48 via {SERVER_V6}"));
    lab.server.net.ip(&format!("address add {BEHIND_V4}/32 dev lo"));
    lab.server.net.ip(&format!("address add {BEHIND_V6}/128 dev lo nodad"));
    // ICMPv6 is the links' own: neighbours, routers, groups.
    let count = format!(
        "table inet seen {{
            counter tunnel {{ }}
            counter beside {{ }}
            counter joining {{ }}
            chain of {{
                meta l4proto icmpv6 return
                udp dport {TUNNEL_PORT} counter name tunnel return
                udp sport {TUNNEL_PORT} counter name tunnel return
                counter name beside
                ip daddr 10.77.0.0/16 tcp flags syn counter name joining
            }}
            chain from {{
                type filter hook prerouting priority -300
                iifname {{ r1, r2 }} jump of
            }}
            chain to {{
                type filter hook postrouting priority 300
                oifname {{ r1, r2 }} jump of
            }}
        }}"
    );
    lab.router.command("nft").args(["-f", "-"]).input(count).run().ok();
    lab
}

/// What the router saw of the client's packets since it was asked last: how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packets {
    /// Of the tunnel itself.
    pub tunnel: u64,
    /// All others, of either direction.
    pub beside: u64,
    /// Those of them that open a connection or a subflow to a network behind the tunnel.
    pub joining: u64,
}

/// The count, which begins anew.
pub fn packets(lab: &Uplinks) -> Packets {
    let list = lab.router.command("nft").args(["-j", "reset", "counters", "table", "inet", "seen"]);
    let list = list.run().ok().stdout;
    let list: Value = serde_json::from_str(&list).expect("nft prints JSON");
    let of = |name: &str| {
        let all = list["nftables"].as_array().expect("a list").iter();
        let mut counters = all.map(|entry| &entry["counter"]);
        let counter = counters.find(|counter| counter["name"] == name);
        counter.and_then(|counter| counter["packets"].as_u64()).expect("the table has it")
    };
    Packets { tunnel: of("tunnel"), beside: of("beside"), joining: of("joining") }
}

/// Starts the tunnel between a client and a server with [`SERVER_V4`], which are named by their
/// network namespaces; its devices still have no addresses.
pub fn start(style: Style, near: &str, far: &str) -> Running {
    let program =
        scratch::file(&scratch("tunnel").join("tunnel.py"), include_bytes!("tunnel.py"), 0o644);
    let mark = style.mark().to_string();
    Cmd::new("nice")
        .args(["-n", "-20", "python3"])
        .arg(program)
        .args([near, "tun0", &mark, far, "tun0", SERVER_V4, TUNNEL_PORT])
        .args(["10.8.0.2", "2001:db8:8::2"])
        .start()
}

/// Brings the tunnel up, and leads traffic into it. It is there as long as the result.
pub fn connect(lab: &Uplinks, style: Style) -> Running {
    let stations = [&lab.client.net, &lab.server.net];
    let [near, far] = stations.map(|station| station.path());
    let mut running = start(style, &near, &far);
    for (host, station) in [2, 1].into_iter().zip(stations) {
        wait::until("the device tun0", || {
            assert!(!running.ended(), "tunnel.py ended");
            station.proc_net("dev").contains("tun0:")
        });
        station.ip(&format!("address add 10.8.0.{host}/24 dev tun0"));
        station.ip(&format!("address add 2001:db8:8::{host}/64 dev tun0 nodad"));
        station.ip("link set tun0 mtu 1400 up");
    }
    for command in style.commands() {
        lab.client.net.ip(command);
    }
    running
}

/// Takes back what led traffic into the tunnel, and then the tunnel.
pub fn disconnect(lab: &Uplinks, style: Style, vpn: Running) {
    for command in style.commands().iter().rev() {
        lab.client.net.ip(&command.replacen(" add ", " delete ", 1));
    }
    drop(vpn);
}

/// A download by MPTCP under plain `mptcpize run`, to its end; what was said.
#[track_caller]
pub fn download(lab: &Uplinks, from: &str, bytes: u64) -> Outcome {
    watched(lab, from, bytes, |_| ())
}

/// A download with half of it held back until the router has seen what a leak is known by: the kernel
/// opens subflows when it likes, and closes none of a download that has ended.
#[track_caller]
pub fn leaks(lab: &Uplinks, from: &str, bytes: u64, is_leak: impl Fn(Packets) -> bool) {
    packets(lab);
    watched(lab, from, bytes, |running| {
        wait::until("a leak", || {
            assert!(!running.ended(), "the download ended");
            is_leak(packets(lab))
        });
    });
}

#[track_caller]
fn watched(lab: &Uplinks, from: &str, bytes: u64, meanwhile: impl FnOnce(&mut Running)) -> Outcome {
    let before = kernel::accepted(&lab.server.net);
    let hold = Hold::new();
    let client = lab.client.tool("run nice -n -20 python3").arg(transfer_py());
    let client = client.args(["get", from, &PORT.to_string(), &bytes.to_string()]);
    let mut running = hold.on(client).start();
    meanwhile(&mut running);
    hold.release();
    let outcome = running.finish().ok();
    assert_eq!(kernel::accepted(&lab.server.net), before + 1, "it was MPTCP: {outcome}");
    outcome
}

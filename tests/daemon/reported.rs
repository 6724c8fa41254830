//! Situations that users of other tools reported in public, on a host with the daemon.

use std::fs;

use super::host::{Daemon, Half, is_whole, stands, status};
use super::service::idles;
use crate::support::uplinks::{SERVER_V4, Uplinks};
use crate::support::wait;

const RATE: &str = "15mbit";
const BYTES: u64 = 3_000_000;
const BOTH: &str = "w1 and w2 are set up";
const DEFAULT: &str = "route add default via 10.1.0.254 dev w1 metric 100";

/// mptcp_net-next #615 and #416: the endpoint of the subflow on which a connection began is deleted
/// and added, and the link is never used again by that connection.
#[test]
fn a_connection_regains_the_link_on_which_it_began_after_that_got_another_address() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    let half = Half::upload(&lab, SERVER_V4, 8 * BYTES);
    assert!(lab.counters().iter().all(|bytes| *bytes > BYTES), "{:?}", lab.counters());
    for line in ["address del 10.1.0.1/24 dev w1", "address add 10.1.0.77/24 dev w1", DEFAULT] {
        lab.client.net.ip(line);
    }
    wait::until("the other address in the link's table", || {
        let table = lab.client.net.ip("route show table 8684");
        table.contains("default via 10.1.0.254 dev w1 proto 86 src 10.1.0.77")
    });
    stands(&lab.client, BOTH);
    is_whole(&lab.client);
    half.ends_over(1, BYTES / 2);
    daemon.end().ok();
}

/// systemd #41350: a network manager deletes the kernel's own rules `lookup main` and `lookup
/// default` and makes them again a moment later.
#[test]
fn a_host_that_loses_the_kernels_own_rules_for_a_moment_is_whole_afterwards() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let before = lab.client.state();
    let daemon = Daemon::start(&lab.client, "");
    let set_up = lab.client.state();
    lab.client.net.ip("rule del priority 32766 lookup main");
    lab.client.net.ip("rule del priority 32767 lookup default");
    wait::until("the daemon to have seen it", || status(&lab.client)["status"]["standing"] != BOTH);
    lab.client.net.ip("rule add priority 32766 lookup main protocol kernel");
    lab.client.net.ip("rule add priority 32767 lookup default protocol kernel");
    stands(&lab.client, BOTH);
    is_whole(&lab.client);
    assert_eq!(lab.client.state(), set_up);
    lab.transfer("put", SERVER_V4, BYTES).used_all();
    daemon.end().ok();
    lab.client.tool("setup undo").run().ok();
    assert_eq!(lab.client.state(), before);
}

/// tailscale #7621: a router that learns routes by BGP kept a daemon busy with each of them.
#[test]
fn ten_thousand_routes_that_come_and_go_wake_nobody() {
    let lab = Uplinks::two_subnets(RATE);
    let daemon = Daemon::start(&lab.client, "");
    // It looks once more, over its own changes, and judges that look alone.
    wait::until("its judgement", || !status(&lab.client)["status"]["judged"].is_null());
    idles(&daemon);
    let ticks = || processor_time(daemon.pid());
    let (looked, before) = (status(&lab.client), ticks());
    for verb in ["add", "del"] {
        let lines = (0..10_000u32).map(|net| {
            format!(
                "route {verb} 172.{}.{}.{}/30 via 10.1.0.254\n",
                net >> 14,
                net >> 6 & 255,
                net % 64 * 4
            )
        });
        lab.client.net.ip_batch(&lines.collect::<String>());
    }
    assert_eq!(status(&lab.client), looked);
    assert!(ticks() - before <= 2, "{} ticks of 10 ms", ticks() - before);
    daemon.end().ok();
}

/// moby, and OpenWrt's forum: links of containers come and go by the hundred beside the uplinks.
#[test]
fn links_of_containers_that_come_and_go_change_nothing() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    let (state, said) = (lab.client.state(), daemon.said());
    let all = 0..100;
    let mut lines =
        "link add br0 type bridge\naddress add 172.17.0.1/16 dev br0\nlink set br0 up\n".to_owned();
    for n in all.clone() {
        lines += &format!("link add v{n} type veth peer name c{n}\nlink set v{n} master br0 up\n");
    }
    lines.extend(all.map(|n| format!("link del v{n}\n")));
    lines += "link del br0\n";
    lab.client.net.ip_batch(&lines);
    lab.transfer("put", SERVER_V4, BYTES).used_all();
    is_whole(&lab.client);
    stands(&lab.client, BOTH);
    assert_eq!(lab.client.state(), state);
    assert_eq!(daemon.said(), said);
    daemon.end().ok();
}

/// Ticks of the processor that this process has used (proc_pid_stat(5)).
fn processor_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("the name ends");
    let fields: Vec<u64> = fields.split_whitespace().map(|it| it.parse().unwrap_or(0)).collect();
    fields[11] + fields[12]
}

//! `mptcpize gateway --relay`: the devices of a LAN, which know nothing of it, through a relay.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{Ready, WEB_V4, WEB_V6, file_at};
use crate::support::{Netns, scratch, wait};

#[test]
fn a_device_of_a_lan_uses_both_links_to_a_server_without_mptcp() {
    let ready = Ready::new(4_000_000);
    let router = &ready.relays.client().net;
    let phone = Netns::new();
    phone.sysctl("net/ipv6/conf/default/accept_dad", "0");
    router.ip(&format!("link add lan type veth peer name eth netns {}", phone.path()));
    for (station, link, host) in [(router, "lan", 1), (&phone, "eth", 2)] {
        station.ip(&format!("address add 192.168.77.{host}/24 dev {link}"));
        station.ip(&format!("address add fd77::{host}/64 dev {link} nodad"));
        station.ip(&format!("link set {link} up"));
    }
    phone.ip("route add default via 192.168.77.1");
    phone.ip("route add default via fd77::1");
    [router, &phone].into_iter().for_each(Netns::settle);
    ready.relays.stored(false, "/nonexistent", &ready.url).run().ok();
    let log = scratch("gateway").join("log");
    let file = fs::File::create(&log).expect("it is ours");
    let text = || fs::read_to_string(&log).expect("it was made");
    let gateway = ready.relays.client().tool("gateway --lan lan --relay auto");
    let gateway = gateway.stderr(file.into()).start();
    wait::until("the gateway", || {
        text().contains("TCP of lan goes over w1 and w2, through rented")
    });
    for host in [WEB_V4, WEB_V6] {
        let curl = || phone.command("curl").args(["-sSf", "-o", "/dev/null"]).arg(file_at(host));
        ready.loads(curl);
    }
    // What the relay is told holds the key, and is the relay's alone.
    let settings = ready.relays.client().state_directory().join("gateway/settings.json");
    let mode = fs::metadata(&settings).expect("it is told").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let pid = Pid::from_raw(gateway.pid().cast_signed()).expect("it runs");
    kill_process(pid, Signal::TERM).expect("it runs");
    assert_eq!(gateway.finish().code(), 0, "{}", text());
    assert!(!settings.exists());
}

#[test]
fn a_relay_that_is_not_stored_is_said_before_anything_is_changed() {
    let ready = Ready::new(1_000);
    let before = ready.relays.client().state();
    let said = ready.relays.client().tool("gateway --lan w2 --relay nowhere").run();
    assert_eq!(said.code(), 5, "{said}");
    assert!(said.stderr.contains("there is no relay nowhere"), "{said}");
    crate::support::uplinks::assert_same(&before, &ready.relays.client().state(), "refused");
}

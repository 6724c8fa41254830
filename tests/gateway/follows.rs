//! A gateway follows what changes beneath it: uplinks that go and come, a firewall that is loaded anew,
//! its own settings.

use std::fs;

use rustix::process::Signal;

use crate::lan::{Lan, SERVER, used_all, used_only};
use crate::support::uplinks::{Uplinks, assert_same};
use crate::support::{Launch, scratch, wait};

/// The uplinks that the relay is told of.
fn told(lan: &Lan) -> Vec<String> {
    let file = lan.router().state_directory().join("gateway/settings.json");
    let text = fs::read_to_string(file).unwrap_or_default();
    let settings: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let uplinks = settings["uplinks"].as_array().cloned().unwrap_or_default();
    uplinks.iter().filter_map(|one| one["dev"].as_str().map(str::to_owned)).collect()
}

#[test]
fn an_uplink_that_goes_and_comes_back_is_left_out_and_used_again() {
    let lan = Lan::behind(Uplinks::two_subnets("20mbit"));
    let served = lan.serve(Launch::Tool, 8_000_000);
    let before = lan.state();
    let gateway = lan.gateway("");
    let net = &lan.router().net;
    assert_eq!(told(&lan), ["w1", "w2"]);
    net.ip("address del 10.2.0.1/24 dev w2");
    wait::until("one uplink", || told(&lan) == ["w1"]);
    used_only(&lan.download(&lan.phone, SERVER, &served), 1);
    net.ip("address add 10.2.0.1/24 dev w2");
    net.ip("route add default via 10.2.0.254 dev w2 metric 200");
    wait::until("both uplinks", || told(&lan) == ["w1", "w2"]);
    wait::until("the table of the second", || {
        net.ip("route show table 8685").contains("default via 10.2.0.254")
            && net.ip("mptcp endpoint show").contains("10.2.0.1 ")
    });
    used_all(&lan.download(&lan.phone, SERVER, &served));
    gateway.end();
    assert_same(&before, &lan.state(), "ended");
}

#[test]
fn an_uplink_that_comes_for_the_first_time_is_used() {
    let lab = Uplinks::new(&["20mbit"; 2]);
    lab.number_v4(1);
    let lan = Lan::behind(lab);
    let served = lan.serve(Launch::Tool, 8_000_000);
    let gateway = lan.gateway("");
    assert!(gateway.said().contains("only one path, w1: nothing to set up"), "{}", gateway.said());
    used_only(&lan.download(&lan.phone, SERVER, &served), 1);
    lan.lab.number_v4(2);
    wait::until("both uplinks", || told(&lan) == ["w1", "w2"]);
    let net = &lan.router().net;
    wait::until("an endpoint", || net.ip("mptcp endpoint show").contains("10.2.0.1 "));
    used_all(&lan.download(&lan.phone, SERVER, &served));
    gateway.end();
    assert_eq!(net.ip("mptcp endpoint show"), "");
}

#[test]
fn a_firewall_that_is_loaded_anew_takes_nothing_from_it() {
    let lan = Lan::three_dongles();
    let gateway = lan.gateway("");
    let net = &lan.router().net;
    let ours = || net.command("nft").args(["list", "tables"]).run().ok().stdout;
    assert_eq!(ours(), "table inet mptcpize\n");
    net.command("nft").args(["flush", "ruleset"]).run().ok();
    wait::until("our table again", || ours() == "table inet mptcpize\n");
    gateway.end();
    assert_eq!(ours(), "");
}

#[test]
fn sighup_reads_the_settings_and_a_mistake_keeps_the_old_ones() {
    let lan = Lan::three_dongles();
    let file = scratch("settings").join("mptcpize.toml");
    let write = |text: &str| fs::write(&file, text).expect("a scratch file");
    write("[gateway]\nlan = [\"br0\"]\n");
    let gateway = lan.gateway(&format!("--config {}", file.display()));
    let net = &lan.router().net;
    let rules = || net.command("nft").args(["list", "table", "inet", "mptcpize"]).run().ok().stdout;
    write("[gateway]\nlan = [\"br0\"]\nquic = \"block\"\nweights = { w2 = 5 }\n");
    gateway.signal(Signal::HUP);
    gateway.says("the settings were read again");
    gateway.says("/settings.json again");
    assert!(rules().contains("udp dport 443 reject"), "{}", rules());
    let settings = lan.router().state_directory().join("gateway/settings.json");
    let text = fs::read_to_string(settings).expect("it is there");
    assert!(text.contains("\"weight\": 5"), "{text}");
    write("[gateway]\nlan = [\"br0\"]\nquic = \"no\"\n");
    gateway.signal(Signal::HUP);
    gateway.says("the settings stay as they were");
    gateway.says("line 3, column 8");
    assert!(rules().contains("udp dport 443 reject"), "{}", rules());
    gateway.end();
}

#[test]
fn an_undo_of_the_set_up_beside_it_is_made_again_and_says_so() {
    let lan = Lan::three_dongles();
    let before = lan.state();
    let gateway = lan.gateway("");
    let undone = lan.router().tool("setup undo").run();
    assert_eq!(undone.code(), 0, "{undone}");
    let said = "mptcpize gateway sets the uplinks up again: sudo kill ";
    assert!(undone.stderr.contains(said), "{undone}");
    let net = &lan.router().net;
    wait::until("the endpoints again", || {
        net.ip("mptcp endpoint show").lines().count() == 3
            && lan.router().tool("setup --dry-run --exit-code").run().code() == 0
    });
    gateway.end();
    assert_same(&before, &lan.state(), "ended");
}

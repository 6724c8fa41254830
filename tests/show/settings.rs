//! Settings that do not fit the host: what `check`, `status`, `run` and `setup` say of links that
//! /etc/mptcpize.toml names and that are not there.

use crate::support::agree::agree;
use crate::support::uplinks::Uplinks;

/// Two links, set up, and this settings file from then on.
fn host(settings: &str) -> Uplinks {
    let mut lab = Uplinks::two_subnets("15mbit");
    lab.client.setup("");
    lab.client.mounting(&format!(
        "[ -d /run/etc ] || cp -a /etc /run/etc; mount --bind /run/etc /etc; \
         printf '%s' '{settings}' >/etc/mptcpize.toml"
    ));
    lab
}

#[test]
fn a_link_that_the_settings_name_and_nobody_has_is_told_by_every_verb() {
    for (key, settings) in [
        ("only", "only = [\"w1\", \"w2\", \"ww2\"]\n"),
        ("backup", "backup = [\"ww2\"]\n"),
        ("metered", "metered = [\"ww2\"]\n"),
        ("gateway", "[gateway]\nww2 = \"10.2.0.254\"\n"),
        ("congestion", "[congestion]\nww2 = \"reno\"\n"),
        ("budget", "[budget]\nww2 = \"1 GB/day\"\n"),
    ] {
        let lab = host(settings);
        let checked = agree(&lab.client, settings);
        checked.finds(&["settings.no_link"], settings);
        let found = checked.topic("settings");
        let title = format!("there is no link ww2, which {key} names");
        assert_eq!(found["title"], title.as_str(), "{settings}");
        assert_eq!(found["why"], "this host has w1, w2", "{settings}");
        let advice = found["advice"].as_str().expect("a text");
        assert!(advice.starts_with("in /etc/mptcpize.toml, w2 instead of ww2"), "{advice}");
        let screen = lab.client.tool("status").env("COLUMNS", "120").run().stdout;
        assert!(screen.contains(&title), "{settings}: {screen}");
        let said = lab.client.tool("setup").run();
        assert_eq!(said.code(), 2, "{settings}: {said}");
        assert!(said.stderr.starts_with("error: there is no interface ww2\n"), "{said}");
    }
}

#[test]
fn a_link_that_is_left_out_or_away_may_be_missing() {
    let lab = host("exclude = [\"docker0\"]\n");
    let checked = agree(&lab.client, "left out");
    checked.finds(&[], "left out");
    assert_eq!(checked.topic("settings")["severity"], "note");
    assert_eq!(lab.client.setup(""), "already set up: w1 and w2\n");

    let lab = host("backup = [\"w2\"]\n");
    lab.client.net.ip("link delete w2");
    agree(&lab.client, "away").finds(&[], "away");
}

#[test]
fn settings_that_want_a_link_and_leave_it_out_are_told_by_every_verb() {
    let lab = host("only = [\"w1\", \"w2\"]\nexclude = [\"w2\"]\n");
    agree(&lab.client, "both").finds(&["settings.both"], "both");
}

#[test]
fn run_says_in_one_line_where_it_sets_up_that_a_link_of_the_settings_is_not_there() {
    let lab = host("backup = [\"ww2\"]\n");
    lab.client.setup("undo");
    let said = lab.client.tool("run true").run().ok().stderr;
    let line = "mptcpize: settings: there is no link ww2, which backup names: mptcpize check    # says more\n";
    assert!(said.starts_with("mptcpize: set up w1 and w2 with ") && said.ends_with(line), "{said}");
    assert_eq!(lab.client.tool("run true").run().ok().stderr, "", "it set nothing up");
}

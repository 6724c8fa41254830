//! Settings that do not fit the host, and files of settings with a mistake: what every verb says of them. Under a
//! daemon: agree_daemon.rs.

use crate::support::agree::agree;
use crate::support::tool;
use crate::support::uplinks::Uplinks;

/// Two links, set up, and this settings file from then on.
fn host(settings: &str) -> Uplinks {
    let mut lab = Uplinks::two_subnets("15mbit");
    lab.client.setup("");
    lab.client.mounting(&format!(
        "[ -d /run/etc ] || {{ cp -a /etc /run/etc; \
         printf '%s' '{settings}' >/run/etc/mptcpize.toml; }}; mount --bind /run/etc /etc"
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
        let error = format!(
            "error: {title}\n  why: this host has w1, w2\n  fix: in /etc/mptcpize.toml, w2 instead of ww2\n"
        );
        assert_eq!(said.stderr, error, "{settings}");
    }
}

#[test]
fn settings_that_setup_refuses_leave_what_is_set_up_as_it_was() {
    for (settings, code, error) in [
        ("only = [\"w9\"]\n", "settings.no_link", "error: there is no link w9, which only names\n"),
        (
            "only = [\"w1\", \"w9\"]\n",
            "settings.no_link",
            "error: there is no link w9, which only names\n",
        ),
        (
            "[gateway]\nw2 = \"10.9.0.254\"\n",
            "settings.gateway",
            "error: the gateway 10.9.0.254 is not in a network of w2\n  why: w2 has 10.2.0.0/24\n",
        ),
    ] {
        let lab = host(settings);
        let before = lab.client.state();
        let checked = agree(&lab.client, settings);
        checked.finds(&[code], settings);
        assert_eq!(checked.0["usable_paths"], serde_json::json!(["w1", "w2"]), "{settings}");
        for verb in ["setup", "setup --dry-run"] {
            let said = lab.client.tool(verb).run();
            assert_eq!(said.code(), 2, "{verb}: {said}");
            assert!(said.stderr.starts_with(error), "{verb}: {said}");
        }
        lab.client.tool("run true").run().ok();
        assert_eq!(lab.client.state(), before, "{settings}");
    }
}

#[test]
fn check_ends_with_what_is_open_also_where_no_command_mends_it() {
    let lab = host("backup = [\"w9\"]\n");
    let screen = lab.client.tool("check").run().stdout;
    assert!(
        screen.ends_with("\nNext, when that of settings is mended:\n  mptcpize check\n"),
        "{screen}"
    );
}

#[test]
fn a_lan_that_is_not_there_is_told_by_check() {
    let lab = host("[gateway]\nlan = [\"w9\"]\n");
    let checked = agree(&lab.client, "no LAN");
    checked.finds(&["gateway.no_link"], "no LAN");
    let title = "there is no link w9, which lan of [gateway] names";
    assert_eq!(checked.topic("gateway")["title"], title);
}

#[test]
fn where_the_settings_leave_out_every_path_they_are_named_as_the_reason() {
    for (settings, title, advice) in [
        (
            "exclude = [\"w1\", \"w2\"]\n",
            "no path is left: w1 and w2 are excluded",
            "take w1 out of exclude in /etc/mptcpize.toml",
        ),
        (
            "only = [\"w9\"]\nexclude = [\"w2\"]\n",
            "no path is left: w2 is excluded, only does not name w1",
            "take w2 out of exclude in /etc/mptcpize.toml",
        ),
        (
            "only = [\"w9\"]\n",
            "no path is left: only does not name w1 and w2",
            "add w1 to only in ",
        ),
    ] {
        let lab = host(settings);
        if settings.starts_with("exclude") {
            let checked = agree(&lab.client, settings);
            checked.finds(&["paths.none"], settings);
            let why = "what was set up for them stays until the next mptcpize setup";
            assert_eq!(checked.topic("paths")["why"], why);
        }
        lab.client.setup("undo");
        let checked = agree(&lab.client, settings);
        let found = checked.topic("paths");
        assert_eq!((&found["code"], &found["title"]), (&"paths.none".into(), &title.into()));
        assert!(found["advice"].as_str().expect("a text").starts_with(advice), "{found}");
    }
    let lab = host("exclude = [\"w1\", \"w2\"]\n");
    let said = lab.client.setup("");
    let line = "no path is left: w1 and w2 are excluded; what was set up for links that are left out is gone: ";
    assert!(said.starts_with(line), "{said}");
}

#[test]
fn a_file_with_a_mistake_is_told_by_every_verb_that_shows_the_host() {
    for settings in ["rolle = \"client\"\n", "[links]\nw1 = \"backup\"\n"] {
        let lab = host(settings);
        let expected = lab.client.tool("setup").run();
        assert_eq!(expected.code(), 2, "{expected}");
        let mut verbs = vec!["status", "check", "setup --dry-run"];
        if cfg!(feature = "top") {
            verbs.push("top --once");
        }
        for verb in verbs {
            lab.client.tool(verb).run().says(2, &expected.stderr);
            let said = lab.client.tool(verb).args(["-j"]).run();
            assert_eq!(said.code(), 2, "{verb}: {said}");
        }
        let text = lab.client.tool("metrics").run().silent().stdout;
        assert!(text.lines().any(|line| line == "mptcpize_attention 1"), "{text}");
    }
}

#[test]
#[cfg(feature = "top")]
fn top_judges_by_no_settings_that_it_may_not_read() {
    let lab = host("backup = [\"w2\"]\n");
    lab.client.command("chmod").args(["600", "/etc/mptcpize.toml"]).run().ok();
    let set = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    for words in [vec!["top", "--once"], vec!["top", "--once", "-j"], vec!["status"]] {
        let command = lab.client.command("setpriv").args(set).arg(tool::public_binary());
        let said = command.args(&words).run();
        assert_eq!(said.code(), 4, "{words:?}: {said}");
        assert!(said.to_string().contains("cannot read /etc/mptcpize.toml"), "{words:?}: {said}");
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
    let said = lab.client.setup("");
    assert!(
        said.starts_with("only one path, w1: nothing to set up; w2 was set up and is away"),
        "{said}"
    );
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

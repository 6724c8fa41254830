//! `enable --system` as it is seen: in `list`, `status` and `check`, whole and broken, each fault with the line
//! that mends it; and what the package's script takes away when another package replaces ours.
//!
//! Not here: what the switch does (system.rs), what runs while it goes (system_off.rs).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::cc::{self, Build};
use crate::support::overlay::{copy, shown};
use mptcpize_model::checks::FIXABLE;

/// Prints what the verbs say, each behind a line `=== VERB`.
const LOOK: &str = r#"
    look() {
        for verb in "list" "list -j" "status" "status -j" "check" "check -j"; do
            echo "=== $verb"
            mptcpize $verb 2>/dev/null || test $? = 3
        done
    }
    # The line of the finding with this code: of check, and of status.
    line() {
        mptcpize check -j 2>/dev/null | python3 -c '
import json, sys
code, kind = sys.argv[1:]
for one in json.load(sys.stdin)["findings"]:
    if one["code"] == code:
        print(" && ".join(one[kind]))
' "$@"
    }
"#;

/// What a verb said.
fn said<'a>(text: &'a str, verb: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("=== {verb}\n")).expect("it was asked");
    rest.split("=== ").next().unwrap_or_default()
}

#[track_caller]
fn json(text: &str, verb: &str) -> Value {
    serde_json::from_str(said(text, verb)).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The codes of findings about it that want attention.
fn codes(value: &Value) -> BTreeSet<&str> {
    let all = value["findings"].as_array().expect("a list").iter();
    let bad = all.filter(|one| one["severity"] == "problem" || one["severity"] == "warning");
    let codes = bad.filter_map(|one| one["code"].as_str());
    codes.filter(|code| code.starts_with("system.")).collect()
}

#[test]
fn the_switch_is_seen_with_its_way_its_library_and_its_release() {
    for (via, how) in [
        ("preload", "by /etc/ld.so.preload"),
        ("environment", "by the environment of services and log-ins"),
    ] {
        let script = format!("{LOOK} mptcpize enable --system --via {via} >/dev/null; look");
        let text = copy(&script).run().ok().stdout;
        let release = env!("CARGO_PKG_VERSION");
        let details = &json(&text, "list -j")["system_details"];
        assert_eq!(json(&text, "list -j")["system"], via, "{text}");
        assert_eq!(json(&text, "status -j")["system"], *details, "{text}");
        assert_eq!(json(&text, "check -j")["observed"]["system"], *details, "{text}");
        assert_eq!(details["complete"], true, "{details}");
        assert_eq!(details["version"], release, "{details}");
        let library = details["library"].as_str().expect("a text");
        assert!(library.starts_with("/usr/$LIB/mptcpize/libmptcpize-system-"), "{details}");
        let line = format!("system      every program, {how} ({release})\n");
        assert!(said(&text, "status").contains(&line), "{line}: {text}");
        let line = format!("  its library: {library} ({release})\n");
        assert!(said(&text, "list").contains(&line), "{line}: {text}");
        let line = format!("on for every program, {how}:");
        assert!(said(&text, "check").contains(&line), "{line}: {text}");
        assert!(codes(&json(&text, "check -j")).is_empty(), "{text}");
    }
}

#[test]
fn the_switch_for_containers_is_seen_where_one_looks() {
    let script = format!("{LOOK} mptcpize enable --containers >/dev/null 2>&1; look");
    let text = copy(&script).run().ok().stdout;
    let devices = json(&text, "list -j")["containers"].clone();
    let first = devices[0].as_str().expect("a device").to_owned();
    assert_eq!(json(&text, "status -j")["containers"], devices, "{text}");
    let line = format!("\ncontainers  they may be given {first}");
    assert!(said(&text, "status").contains(&line), "{line}: {text}");
    let observed = json(&text, "check -j")["observed"]["containers"].clone();
    assert_eq!(observed[0], first.as_str(), "{text}");
    assert!(said(&text, "check").contains(&format!("they may be given {first}")), "{text}");
}

#[test]
fn where_it_was_never_on_nothing_is_said_of_it() {
    let text = copy(&format!("{LOOK} look")).run().ok().stdout;
    assert_eq!(json(&text, "list -j")["system"], Value::Null);
    assert_eq!(json(&text, "status -j")["system"], Value::Null);
    assert!(!said(&text, "status").contains("\nsystem "), "{text}");
    assert!(!said(&text, "check").contains("every program"), "{text}");
}

/// What breaks it, and what is found then.
const FAULTS: [(&str, &str, &str); 4] = [
    ("preload", "rm /usr/lib/*/mptcpize/libmptcpize-system-*", "system.gone"),
    ("environment", "rm /usr/lib/*/mptcpize/libmptcpize-system-*", "system.gone"),
    ("environment", "rm /etc/systemd/system.conf.d/50-mptcpize.conf", "system.partly"),
    ("environment", "rm /etc/environment.d/99-mptcpize.conf", "system.partly"),
];

#[test]
fn each_fault_of_it_is_found_alike_and_each_line_pasted_mends_it() {
    for (via, breaks, code) in FAULTS {
        for kind in ["fix", "or"] {
            let script = format!(
                "{LOOK}
                 mptcpize enable --system --via {via} >/dev/null
                 {breaks}
                 look
                 sh -euc \"$(line {code} {kind})\" >/dev/null
                 look >/tmp/after
                 sed 's/^=== /=== after /' /tmp/after"
            );
            let text = copy(&script).run().ok().stdout;
            let what = format!("{via}, {breaks}, {kind}: {text}");
            let (check, status) = (json(&text, "check -j"), json(&text, "status -j"));
            assert_eq!(codes(&check), BTreeSet::from([code]), "{what}");
            assert_eq!(codes(&status), BTreeSet::from([code]), "{what}");
            assert_eq!(status["system"]["complete"], false, "{what}");
            assert_eq!(json(&text, "list -j")["system_details"]["complete"], false, "{what}");
            assert!(said(&text, "list").contains("\n  ! "), "{what}");
            let fix = |value: &Value| {
                let all = value["findings"].as_array().expect("a list").iter();
                let one = all.clone().find(|one| one["code"] == code).expect("it is there");
                one["fix"].as_str().map_or_else(|| one["fix"][0].clone(), Value::from)
            };
            assert_eq!(fix(&check), fix(&status), "{what}");
            let after = json(&text, "after check -j");
            assert!(codes(&after).is_empty(), "{what}");
            let on = json(&text, "after list -j")["system"].clone();
            assert_eq!(on, if kind == "fix" { Value::from(via) } else { Value::Null }, "{what}");
        }
    }
    let made: BTreeSet<&str> = FAULTS.iter().map(|(_, _, code)| *code).collect();
    let fixable = FIXABLE.into_iter().filter(|code| code.starts_with("system."));
    assert_eq!(made, fixable.collect());
}

#[test]
fn programs_run_as_tcp_where_a_line_names_a_library_that_is_gone() {
    let script = format!(
        "mptcpize enable --system >/dev/null
         rm /usr/lib*/*/mptcpize/libmptcpize-system-* /usr/lib32/mptcpize/libmptcpize-system-*
         {plain} 2>/dev/null
         mptcpize disable --system >/dev/null 2>&1
         {plain}
         test ! -e /etc/ld.so.preload",
        plain = shown(&cc::c("protocol", Build::Plain)),
    );
    assert_eq!(copy(&script).run().ok().stdout, "6\n6\n");
}

#[test]
fn a_package_that_replaces_ours_leaves_no_line_and_no_library_behind() {
    let prerm = include_str!("../../scripts/debian/prerm");
    let removal = include_str!("../../scripts/packaging/before-removal");
    for via in ["preload", "environment"] {
        for how in ["remove in-favour mptcpize 0.12-1", "remove"] {
            let script = format!(
                "touch /etc/environment
                 mkdir -p /usr/libexec/mptcpize
                 cat >/usr/libexec/mptcpize/before-removal <<'END'\n{removal}\nEND
                 chmod 755 /usr/libexec/mptcpize/before-removal
                 cat >/tmp/prerm <<'END'\n{prerm}\nEND
                 written >/tmp/before
                 mptcpize enable --system --via {via} >/dev/null
                 ! written | cmp -s /tmp/before -
                 sh /tmp/prerm {how}
                 written | diff /tmp/before -
                 {plain}",
                plain = shown(&cc::c("protocol", Build::Plain)),
            );
            let done = copy(&script).run().ok();
            assert_eq!(done.stdout, "6\n", "{via}, {how}: {done}");
            // No systemd runs there, which the script's other commands say; no loader complains.
            assert!(!done.stderr.contains("ld.so"), "{via}, {how}: {done}");
        }
    }
}

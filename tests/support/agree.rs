//! `status`, `check`, `top --once` and `setup --dry-run` beside each other: of one host they say one thing.
//!
//! What `check` alone looks at (the library, counters, services, a gateway, a peer) is left out of the comparison.

use std::collections::BTreeSet;

use serde_json::Value;

use super::check::{Checked, check};
use super::uplinks::Station;

/// The topics of findings that `check` alone has.
const OF_CHECK: [&str; 7] =
    ["shim", "container", "counters", "services", "gateway", "relays", "peer"];

/// A fault as a verb tells it: its name, and the line that mends it.
type Told = BTreeSet<(String, Option<String>)>;

/// Runs all verbs there, and sees that they agree; what `check` said.
#[track_caller]
pub fn agree(station: &Station, what: &str) -> Checked {
    let checked = check(station, "");
    let expected: Told = list(&checked.0).filter(is_common).map(told).collect();
    let paths = &checked.0["usable_paths"];
    let worst = |findings: &[&Value]| -> &'static str {
        let any = |severity: &str| findings.iter().any(|one| one["severity"] == severity);
        if any("problem") {
            "✗"
        } else if any("warning") {
            "!"
        } else {
            "●"
        }
    };
    let mark = worst(&list(&checked.0).filter(is_common).collect::<Vec<_>>());

    let (status, code) = json(station, "status -j");
    let shown: Told = list(&status).map(told).collect();
    assert_eq!(shown, expected, "{what}: status and check");
    assert_eq!(&status["usable_paths"], paths, "{what}: the paths of status and check");
    assert_eq!(code, if mark == "●" { 0 } else { 3 }, "{what}: {status:#}");
    let rows = status["paths"].as_array().expect("a list").len();
    let links: BTreeSet<&str> = status["paths"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["link"].as_str().expect("a text"))
        .collect();
    assert_eq!(rows, links.len(), "{what}: a path is a link: {status:#}");

    let count = paths.as_array().expect("a list").len();
    let counted = if count == 1 { "1 path".to_owned() } else { format!("{count} paths") };
    let screen = text(station, "status");
    let headline = screen.lines().next().expect("a line");
    assert!(headline.starts_with(&format!("{mark} ")), "{what}: {mark} and {headline}");
    assert!(headline.contains(&format!(" {counted}")), "{what}: {counted} and {headline}");
    let fixes: Vec<&str> = expected.iter().filter_map(|(_, fix)| fix.as_deref()).collect();
    for fix in &fixes {
        assert!(screen.contains(&format!("fix: {fix}")), "{what}: {fix} and {screen}");
    }
    if cfg!(feature = "top") {
        let once = station.tool("top --once").env("LC_ALL", "C.UTF-8").env("COLUMNS", "120").run();
        assert_eq!(once.code(), code, "{what}: top --once and status: {once}");
        let frame = once.stdout;
        let title = frame.lines().next().expect("a line");
        let expected_title = format!("mptcpize top  {mark} {counted} ");
        assert!(title.starts_with(&expected_title), "{what}: {expected_title} and {title}");
        // The frame ends at its width.
        let has = |fix: &&str| {
            let shown: String = fix.chars().take(60).collect();
            frame.contains(&format!("fix: {shown}"))
        };
        assert!(fixes.is_empty() || fixes.iter().any(has), "{what}: {fixes:?} and {frame}");
    }

    let (dry, _) = json(station, "setup --dry-run --json");
    // Where MPTCP is not there at all it refuses to plan.
    if dry.is_object() && dry.get("error").is_none() {
        let planned: Told = list(&dry).map(told).collect();
        assert_eq!(planned, expected, "{what}: setup --dry-run and check");
        assert_eq!(&dry["usable_paths"], paths, "{what}: the paths of setup --dry-run and check");
        assert_eq!(dry["verdict"], status["verdict"], "{what}");
        // What setup is said to mend, it has a change for.
        let by_setup = |(_, fix): &(String, Option<String>)| {
            fix.as_deref().is_some_and(|fix| fix.ends_with("mptcpize setup"))
        };
        let changes = dry["changes"].as_array().expect("a list").len();
        assert!(changes > 0 || !expected.iter().any(by_setup), "{what}: {dry:#}");
    }
    checked
}

/// The faults of an object.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    let all = value["findings"].as_array().expect("a list").iter();
    all.filter(|one| one["severity"] == "problem" || one["severity"] == "warning")
}

fn is_common(finding: &&Value) -> bool {
    let topic = finding["topic"].as_str().expect("a text");
    !OF_CHECK.contains(&topic)
}

fn told(finding: &Value) -> (String, Option<String>) {
    let fix = match &finding["fix"] {
        Value::Array(commands) if commands.is_empty() => None,
        Value::Array(commands) => {
            let all: Vec<&str> = commands.iter().filter_map(Value::as_str).collect();
            Some(all.join(" && "))
        }
        fix => fix.as_str().map(str::to_owned),
    };
    (finding["code"].as_str().expect("a text").to_owned(), fix)
}

/// What a verb prints as JSON, `null` where it refuses, and its exit code.
#[track_caller]
fn json(station: &Station, verb: &str) -> (Value, i32) {
    let outcome = station.tool(verb).run();
    let value = match outcome.stdout.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {outcome}")),
    };
    (value, outcome.code())
}

fn text(station: &Station, verb: &str) -> String {
    station.tool(verb).env("LC_ALL", "C.UTF-8").env("COLUMNS", "120").run().stdout
}

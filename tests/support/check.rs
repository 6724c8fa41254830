//! `mptcpize check` for the tests: its findings, and its fixes pasted as a person would.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

use super::uplinks::Station;
use super::{Cmd, process, scratch, tool};

/// What `check --json ARGUMENTS` printed.
#[derive(Debug)]
pub struct Checked(pub Value);

/// Runs it in a network namespace of `station`.
#[track_caller]
pub fn check(station: &Station, arguments: &str) -> Checked {
    read(station.tool("check --json").args(arguments.split_whitespace()))
}

/// Reads what a `check --json` prints; its exit code must fit.
#[track_caller]
pub fn read(command: Cmd) -> Checked {
    let outcome = command.run();
    let value: Value =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome}"));
    let bad = value["problems"].as_u64() > Some(0) || value["warnings"].as_u64() > Some(0);
    assert_eq!(outcome.code(), if bad { 3 } else { 0 }, "{outcome}");
    assert_eq!(outcome.stderr, "", "{outcome}");
    Checked(value)
}

impl Checked {
    fn list(&self) -> &[Value] {
        self.0["findings"].as_array().expect("it is a list")
    }

    /// The findings that want attention.
    fn bad(&self) -> impl Iterator<Item = &Value> {
        let bad =
            |finding: &&Value| finding["severity"] == "problem" || finding["severity"] == "warning";
        self.list().iter().filter(bad)
    }

    /// Their codes.
    pub fn codes(&self) -> BTreeSet<&str> {
        self.bad().map(|finding| finding["code"].as_str().expect("a text")).collect()
    }

    /// The first finding of a topic.
    #[track_caller]
    pub fn topic(&self, topic: &str) -> &Value {
        let found = self.list().iter().find(|finding| finding["topic"] == topic);
        found.unwrap_or_else(|| panic!("nothing about {topic}: {:#?}", self.list()))
    }

    /// Every fix, each once, in the order of the screen.
    pub fn fixes(&self) -> Vec<String> {
        let mut fixes = Vec::new();
        for finding in self.bad() {
            let commands = finding["fix"].as_array().expect("a list").iter();
            let line: Vec<&str> = commands.filter_map(Value::as_str).collect();
            let line = line.join(" && ");
            if !line.is_empty() && !fixes.contains(&line) {
                fixes.push(line);
            }
        }
        fixes
    }

    /// These are the codes of all that wants attention.
    #[track_caller]
    pub fn finds(&self, codes: &[&str], what: &str) -> &Self {
        let expected: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(self.codes(), expected, "{what}: {:#?}", self.list());
        self
    }
}

/// A directory with `mptcpize`, to stand first in PATH.
fn programs() -> &'static PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = scratch("programs");
        std::os::unix::fs::symlink(tool::binary(), directory.join("mptcpize"))
            .expect("the directory is ours");
        directory
    })
}

/// Adds a program of the test's own for what is pasted.
pub fn program(name: &str, script: &str) {
    scratch::executable(&programs().join(name), format!("#!/bin/sh\n{script}\n"));
    assert!(fs::exists(programs().join(name)).expect("it can be looked at"));
}

/// Pastes a line into a shell there.
#[track_caller]
pub fn paste(station: &Station, line: &str) {
    let path = format!("{}:{}", programs().display(), process::PATH);
    station.command("sh").args(["-euc", line]).env("PATH", path).run().ok();
}

/// Pastes each fix that a check prints.
#[track_caller]
pub fn mend(station: &Station, checked: &Checked) {
    for fix in checked.fixes() {
        paste(station, &fix);
    }
}

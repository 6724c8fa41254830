//! CPython's own tests of sockets, natively and under the tool: none fails under it alone, but for
//! those in tests/compat/cpython.txt, each with its reason.
//!
//! Modules whole, in many parts that run at the same time, for most of them wait; of the event loops of asyncio's longest
//! module the one that programs get. Not here: socket families other than TCP's that want a
//! daemon or hardware behind them, and whatever wants a network (tests/compat/cpython.py).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Launch, Netns, Outcome, Running, scratch, wait};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compat").join(name)
}

/// The ends of the names of the tests that may fail.
fn documented() -> Vec<String> {
    let text = fs::read_to_string(file("cpython.txt")).expect("the list is in the tree");
    let entries = text.lines().filter(|line| !line.starts_with('#'));
    entries
        .map(|line| line.split_once("  ").expect("each entry has a reason").0.to_owned())
        .collect()
}

fn start(launch: Launch, part: usize, parts: usize, names: &[&str]) -> Running {
    let part = part.to_string();
    launch
        .command("/usr/bin/python3")
        .arg(file("cpython.py"))
        .args([&part, &parts.to_string()])
        .args(names)
        // Its own network: the tests look for ports that nobody uses. Its own files.
        .within(&Netns::new())
        .cwd(scratch("cpython"))
        .start()
}

/// What came of each test, by its name.
fn results(done: &[Outcome]) -> BTreeMap<&str, &str> {
    let lines = done.iter().flat_map(|done| done.stdout.lines());
    lines.map(|line| line.split_once(' ').unwrap_or_else(|| panic!("{line}"))).collect()
}

/// Runs the tests both ways and compares; at least so many must pass natively.
fn compare(parts: usize, least: usize, names: &[&str]) {
    let running = Launch::BOTH.map(|launch| {
        (0..parts).map(|part| start(launch, part, parts, names)).collect::<Vec<Running>>()
    });
    // A hundred tests in each, and dozens of them at the same time.
    let limit = wait::deadline() * 10;
    let [native, ours]: [Vec<Outcome>; 2] =
        running.map(|all| all.into_iter().map(|one| one.finish_within(limit).ok()).collect());
    let (before, after) = (results(&native), results(&ours));
    let good = before.values().filter(|result| **result == "ok").count();
    assert!(good >= least, "{good} tests pass natively, {least} should");
    let documented = documented();
    let worse: Vec<String> = before
        .iter()
        .filter(|(name, result)| **result == "ok" && after.get(**name) != Some(&"ok"))
        .filter(|(name, _)| !documented.iter().any(|end| name.ends_with(&format!(".{end}"))))
        .map(|(name, _)| format!("{name}: {:?} under the tool", after.get(name)))
        .collect();
    let said: String = ours.iter().map(|done| done.stderr.as_str()).collect();
    assert!(worse.is_empty(), "{worse:#?}\n{said}");
}

#[test]
fn its_tests_of_sockets_pass_as_without_the_tool() {
    compare(6, 400, &["test.test_socket"]);
}

#[test]
fn its_tests_of_ftp_pass_as_without_the_tool() {
    compare(4, 80, &["test.test_ftplib"]);
}

#[test]
fn its_tests_of_tls_pass_as_without_the_tool() {
    compare(8, 120, &["test.test_ssl"]);
}

#[test]
fn its_tests_of_asyncio_pass_as_without_the_tool() {
    compare(
        8,
        200,
        &[
            "test.test_asyncio.test_events.EPollEventLoopTests",
            "test.test_asyncio.test_sendfile",
            "test.test_asyncio.test_server",
            "test.test_asyncio.test_sock_lowlevel",
            "test.test_asyncio.test_streams",
        ],
    );
}

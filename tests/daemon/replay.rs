//! Recordings of `mptcpize daemon --record FILE`, replayed against the core: the same events at the
//! same times give the same decisions, without a kernel and without a clock.
//!
//! A user's recording becomes a case by copying it to tests/daemon/replays/NAME.jsonl.
//! `UPDATE=1 cargo test --test daemon replay` writes what was decided; read the difference.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use mptcpize::output::diff;
use mptcpize_model::asked::Asked;
use mptcpize_model::config::Config;
use mptcpize_model::daemon::{Action, Daemon, Event, Join, Leave, Millis, Probe};
use serde::Deserialize;

/// A line of a recording.
#[derive(Deserialize)]
struct Line {
    now: Millis,
    event: Event,
}

fn recordings() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/daemon/replays");
    let entries = fs::read_dir(all).expect("the recordings are in the repository");
    let paths = entries.map(|entry| entry.expect("a readable directory").path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "jsonl")).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// What is decided, one line a decision, with the milliseconds since the first event.
fn replay(recording: &str) -> String {
    let mut lines = recording.lines().map(|line| {
        serde_json::from_str::<Line>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let first = lines.next().expect("a recording has a first line");
    let begin = first.now.0;
    let mut core = Daemon::new(first.now, Config::default(), Asked::default());
    let mut text = String::new();
    let mut state = Default::default();
    for Line { now, event } in std::iter::once(first).chain(lines) {
        if let Event::Observed(observation) = &event {
            state = observation.state.clone();
        }
        for action in core.handle(now, event) {
            let at = now.0 - begin;
            let _ = match action {
                Action::Observe => writeln!(text, "{at:>7} look"),
                Action::Apply(wish) => {
                    let steps = wish.proposal(&state).plan.steps;
                    let lines = steps.iter().map(|step| diff::change_line(&step.change));
                    let all: Vec<String> =
                        lines.map(|line| format!("\n          {line}")).collect();
                    writeln!(text, "{at:>7} set up{}", all.concat())
                }
                Action::Report(report) => {
                    writeln!(text, "{at:>7} say {}: {}", report.code.word(), report.text)
                }
                Action::List => writeln!(text, "{at:>7} list connections"),
                Action::Save(_) => writeln!(text, "{at:>7} keep what links have carried"),
                Action::Sample => writeln!(text, "{at:>7} ask how connections get on"),
                Action::Probe(probes) => {
                    let one = |it: &Probe| {
                        format!("\n          {} > {} over {}", it.from, it.to, it.link)
                    };
                    let all: Vec<String> = probes.iter().map(one).collect();
                    writeln!(text, "{at:>7} ask{}", all.concat())
                }
                Action::Join(joins) => {
                    let one = |join: &Join| format!("\n          {} > {}", join.local, join.remote);
                    let all: Vec<String> = joins.iter().map(one).collect();
                    writeln!(text, "{at:>7} open{}", all.concat())
                }
                Action::Leave(leaves) => {
                    let one = |it: &Leave| format!("\n          {} > {}", it.local, it.remote);
                    let all: Vec<String> = leaves.iter().map(one).collect();
                    writeln!(text, "{at:>7} close{}", all.concat())
                }
                Action::GiveBack(change) => {
                    writeln!(text, "{at:>7} give back {}", diff::change_line(&change))
                }
                Action::Exit => writeln!(text, "{at:>7} end"),
            };
        }
    }
    text
}

#[test]
fn a_recording_gives_the_same_decisions_again() {
    for path in recordings() {
        let recording = fs::read_to_string(&path).expect("it is text");
        let decided = replay(&recording);
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &decided).expect("the case can be written");
        }
        let before = fs::read_to_string(&expected).unwrap_or_default();
        assert!(decided == before, "{}\n--- is\n{decided}--- should be\n{before}", path.display());
    }
}

//! The plan of the host set-up: golden cases (a host and its settings → the changes and their
//! undo) and the properties that hold for every one of them. No kernel: the host is a model.
//!
//! A user's report becomes a case by copying the `state` of `setup --dry-run --json` into
//! `tests/cases/NAME/host.json`. `UPDATE=1 cargo test --test pure plan::` writes the expectations anew;
//! read the difference before you commit it.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use mptcpize::config_file;
use mptcpize::error::Error;
use mptcpize::host::Host;
use mptcpize::host::apply::journal::Journal;
use mptcpize::host::apply::transaction::{self, Outcome};
use mptcpize::host::netlink::KernelError;
use mptcpize::output::diff;
use mptcpize::output::term::Term;
use mptcpize_model::change::Change;
use mptcpize_model::config::Config;
use mptcpize_model::plan::{Plan, plan};
use mptcpize_model::proposal::Observation;
use mptcpize_model::{HostState, desired};

struct Case {
    name: String,
    directory: PathBuf,
    state: HostState,
    config: Config,
}

impl Case {
    fn plan(&self) -> Plan {
        plan(&self.state, &desired::desired(&self.state, &self.config))
    }

    fn set_up(&self, host: &mut Model, journal: &mut Journal) -> Result<Outcome, Error> {
        let seen = Observation::of(host.state.clone(), &self.config);
        transaction::set_up(seen, host, journal, &self.config, |_| {})
    }
}

fn cases() -> Vec<Case> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let mut cases: Vec<Case> = fs::read_dir(&all)
        .expect("the cases are in the repository")
        .map(|entry| {
            let directory = entry.expect("a readable directory").path();
            let name = directory.file_name().expect("a name").to_string_lossy().into_owned();
            let read = |file: &str| {
                fs::read_to_string(directory.join(file))
                    .unwrap_or_else(|error| panic!("{name}/{file}: {error}"))
            };
            let state = serde_json::from_str(&read("host.json"))
                .unwrap_or_else(|error| panic!("{name}/host.json: {error}"));
            let config = config_file::read(&read("config.toml"))
                .unwrap_or_else(|error| panic!("{name}/config.toml: {error}"));
            Case { name, directory, state, config }
        })
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(cases.len() > 20, "the cases were found");
    cases
}

#[test]
fn every_case_gives_the_expected_changes_and_undo() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let plan = case.plan();
        let undo: String =
            plan.undo().iter().map(|change| format!("{}\n", diff::change_line(change))).collect();
        for (file, text) in [("plan.txt", diff::plan(&plan, &Term::PLAIN)), ("undo.txt", undo)] {
            let path = case.directory.join(file);
            if update {
                fs::write(&path, &text).expect("the case can be written");
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            if text != expected {
                wrong
                    .push(format!("{}/{file}\n--- is\n{text}--- should be\n{expected}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The state after every change of the plan.
fn applied(case: &Case) -> HostState {
    let mut state = case.state.clone();
    for step in case.plan().steps {
        step.change.apply_to(&mut state);
    }
    state
}

#[test]
fn a_plan_reaches_its_goal_and_the_second_one_is_empty() {
    for case in cases() {
        let after = applied(&case);
        let again = plan(&after, &desired::desired(&after, &case.config));
        assert!(again.is_empty(), "{}: {:?}", case.name, again.steps);
    }
}

#[test]
fn undo_after_apply_is_the_identity() {
    for case in cases() {
        let mut state = applied(&case);
        for step in case.plan().steps.iter().rev() {
            let undone = step.change.undone_in(&state);
            let undone = undone.unwrap_or_else(|| panic!("{}: {}", case.name, step.change));
            undone.apply_to(&mut state);
        }
        assert_eq!(state, case.state, "{}", case.name);
    }
}

#[test]
fn an_inverse_of_an_inverse_is_the_change() {
    for case in cases() {
        for step in case.plan().steps {
            assert_eq!(step.change.inverse().inverse(), step.change, "{}", case.name);
        }
    }
}

#[test]
fn every_change_survives_the_journals_text() {
    for case in cases() {
        for step in case.plan().steps {
            let text = serde_json::to_string(&step.change).expect("plain data");
            let back: Change = serde_json::from_str(&text).expect("our own text");
            assert_eq!(back, step.change, "{}: {text}", case.name);
        }
    }
}

/// A host made of data, which refuses its `fails_at`th change (counted from 0).
struct Model {
    state: HostState,
    fails_at: usize,
    made: Cell<usize>,
}

impl Host for Model {
    fn observe(&mut self, _: &[Change]) -> Result<HostState, mptcpize::error::Error> {
        Ok(self.state.clone())
    }

    fn apply(&mut self, change: &Change) -> Result<(), KernelError> {
        let count = self.made.replace(self.made.get() + 1);
        if count == self.fails_at {
            return Err(KernelError::new(libc::EINVAL, "told to"));
        }
        change.apply_to(&mut self.state);
        Ok(())
    }
}

impl Model {
    fn new(state: &HostState, fails_at: usize) -> Self {
        Model { state: state.clone(), fails_at, made: Cell::new(0) }
    }
}

/// In memory, where the journals of a real host are too: each of thousands of changes is synced.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").expect("a temporary directory")
}

fn journal(place: &Path) -> Journal {
    Journal::open(place, 1, |_| panic!("nobody else has it")).expect("a new journal")
}

#[test]
fn a_failure_at_any_change_leaves_the_host_as_it_was() {
    for case in cases() {
        for fails_at in 0..case.plan().steps.len() {
            let place = place();
            let mut journal = journal(place.path());
            let mut host = Model::new(&case.state, fails_at);
            let error =
                case.set_up(&mut host, &mut journal).expect_err("the model refuses a change");
            assert_eq!(host.state, case.state, "{} at {fails_at}", case.name);
            assert_eq!(journal.entries(), [], "{} at {fails_at}", case.name);
            assert_eq!(error.exit() as i32, 1, "{error}");
            assert!(error.to_string().contains("told to"), "{error}");
        }
    }
}

#[test]
fn set_up_then_undo_through_the_journal_is_the_identity() {
    for case in cases() {
        let place = place();
        let mut host = Model::new(&case.state, usize::MAX);
        let mut first = journal(place.path());
        case.set_up(&mut host, &mut first).expect("nothing fails");
        let count = first.entries().len();
        drop(first);
        // Another process takes it back.
        let mut second = journal(place.path());
        assert_eq!(second.entries().len(), count);
        let undone = transaction::undo(&mut host, &mut second, |_| {}).expect("nothing fails");
        assert_eq!((undone.done.len(), undone.gone), (count, 0), "{}", case.name);
        assert_eq!(host.state, case.state, "{}", case.name);
    }
}

#[test]
fn an_entry_whose_change_was_never_made_is_skipped_by_undo() {
    for case in cases() {
        let steps = case.plan().steps;
        // As after SIGKILL between the record and the change, at each of them.
        for killed_at in 0..steps.len() {
            let place = place();
            let mut journal = journal(place.path());
            let mut host = Model::new(&case.state, usize::MAX);
            for step in &steps[..killed_at] {
                journal.append(&step.change).expect("room");
                step.change.apply_to(&mut host.state);
            }
            journal.append(&steps[killed_at].change).expect("room");
            let undone = transaction::undo(&mut host, &mut journal, |_| {}).expect("all fine");
            assert_eq!(undone.gone, 1, "{} at {killed_at}", case.name);
            assert_eq!(host.state, case.state, "{} at {killed_at}", case.name);
        }
    }
}

#[test]
fn what_others_changed_meanwhile_stays() {
    let case = cases().into_iter().find(|case| case.name == "two-subnets").expect("it is there");
    let place = place();
    let mut journal = journal(place.path());
    let mut host = Model::new(&case.state, usize::MAX);
    case.set_up(&mut host, &mut journal).expect("nothing fails");
    let limits = mptcpize_model::mptcp::Limits { subflows: 4, add_addr_accepted: 1 };
    host.state.limits = Some(limits);
    host.state.routes.retain(|route| route.dev.as_str() != "wwan0");
    let undone = transaction::undo(&mut host, &mut journal, |_| {}).expect("nothing fails");
    assert_eq!(host.state.limits, Some(limits));
    assert_eq!(undone.gone, 3, "the limits and two routes");
    assert_eq!(host.state.endpoints, []);
}

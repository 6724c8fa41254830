//! The workflows of GitHub Actions, which run nowhere else: that they are YAML of the shape that is expected,
//! that what they call is there and takes these options, and that nobody else can change what they use.
//!
//! Not here: a run of them. What they call is tried by itself: `.ci/run` is scripts/check.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A workflow: its name, its text, and what a reader of YAML makes of it.
struct Workflow {
    name: String,
    text: String,
    jobs: Vec<(String, Value)>,
}

/// All of them.
fn workflows() -> Vec<Workflow> {
    let directory = root().join(".github/workflows");
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).expect("there are workflows") {
        let path = entry.expect("they can be listed").path();
        let whole = parsed(&path);
        let jobs = whole["jobs"].as_object().unwrap_or_else(|| panic!("no jobs: {whole}"));
        // Without it a job may write whatever the repository's settings let it.
        assert!(whole.get("permissions").is_some(), "{}: no permissions", path.display());
        found.push(Workflow {
            name: path.file_name().expect("it has one").to_string_lossy().into_owned(),
            text: super::read(&path),
            jobs: jobs.iter().map(|(name, job)| (name.clone(), job.clone())).collect(),
        });
    }
    assert!(found.len() >= 2, "only {} were seen", found.len());
    found
}

/// As PyYAML reads it: YAML 1.1, as GitHub's own reader is, but for the key `on`.
fn parsed(path: &Path) -> Value {
    let reader =
        "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1])), default=str))";
    // Debian's own: another one in PATH has no packages of Debian.
    let done = Command::new("/usr/bin/python3").args(["-c", reader]).arg(path).output();
    let done = done.expect("python3 is here (package python3)");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{} (package python3-yaml): {said}", path.display());
    serde_json::from_slice(&done.stdout).expect("it printed JSON")
}

fn steps(job: &Value) -> impl Iterator<Item = &Value> {
    job["steps"].as_array().into_iter().flatten()
}

/// The calls of programs of this tree in the commands of a job: each with its words.
fn calls(job: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in steps(job).filter_map(|step| step["run"].as_str()).flat_map(str::lines) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let ours = |word: &String| word.starts_with("scripts/") || word.starts_with(".ci/");
        if let Some(at) = words.iter().position(ours) {
            found.push(words[at..].to_vec());
        }
    }
    found
}

#[test]
fn every_script_that_a_workflow_calls_is_there_and_has_the_options() {
    let mut seen = 0;
    for (name, job) in workflows().iter().flat_map(|one| &one.jobs) {
        for call in calls(job) {
            let script = root().join(&call[0]);
            let mode =
                fs::metadata(&script).unwrap_or_else(|error| panic!("{name}: {call:?}: {error}"));
            assert!(mode.permissions().mode() & 0o111 == 0o111, "{name}: {call:?} is no program");
            seen += 1;
            let options: Vec<&String> =
                call[1..].iter().filter(|word| word.starts_with('-')).collect();
            if options.is_empty() {
                continue;
            }
            let help = Command::new(&script).arg("--help").output().expect("it starts");
            let help = String::from_utf8_lossy(&help.stdout);
            let known: Vec<&str> = help.split([' ', ',', '\n', '[', ']', '|']).collect();
            for option in options {
                assert!(
                    known.contains(&option.as_str()),
                    "{name}: {call:?}: no option {option}: {help}"
                );
            }
        }
    }
    assert!(seen >= 2, "only {seen} calls were seen");
}

/// Tags are moved by whoever gets hold of a repository; a commit is what it is.
#[test]
fn every_action_is_pinned_by_its_commit_with_the_release_beside_it() {
    let mut seen = 0;
    for workflow in workflows() {
        for line in workflow.text.lines() {
            let Some((_, used)) = line.split_once("uses:") else { continue };
            seen += 1;
            let pinned = used.trim().split_once('@').and_then(|(_, at)| at.split_once(" # v"));
            let (commit, release) = pinned
                .unwrap_or_else(|| panic!("{}: {line}: wants @COMMIT # vRELEASE", workflow.name));
            let hex = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(hex, "{}: {line}: \"{commit}\" is no commit", workflow.name);
            let numbers = release.split('.').filter(|part| part.parse::<u32>().is_ok()).count();
            assert_eq!(numbers, 3, "{}: {line}: \"{release}\" is no release", workflow.name);
        }
        let used = |(_, job): &(String, Value)| {
            steps(job).filter(|step| step.get("uses").is_some()).count()
        };
        let parsed: usize = workflow.jobs.iter().map(used).sum();
        assert_eq!(parsed, workflow.text.matches("uses:").count(), "{}", workflow.name);
    }
    assert!(seen >= 4, "only {seen} actions were seen");
}

/// Who can change a script of the tree cannot publish by it.
#[test]
fn a_job_that_may_write_runs_nothing_of_the_tree() {
    let mut seen = 0;
    for (name, job) in workflows().iter().flat_map(|one| &one.jobs) {
        let minutes = job["timeout-minutes"].as_u64();
        assert!(minutes.is_some_and(|minutes| minutes <= 120), "{name} has no end: {minutes:?}");
        if !job["permissions"].to_string().contains("write") {
            continue;
        }
        seen += 1;
        assert_eq!(calls(job), Vec::<Vec<String>>::new(), "{name}");
        let checks_out =
            |step: &Value| step["uses"].as_str().is_some_and(|used| used.contains("checkout"));
        assert!(!steps(job).any(checks_out), "{name} has the tree");
    }
    assert_eq!(seen, 1, "the job that publishes");
}

/// What one job hands to the next, by its name, from the directory into which the release was written.
#[test]
fn the_release_that_is_published_is_the_one_that_was_built() {
    let all = workflows();
    let release = all.iter().find(|one| one.name == "release.yml").expect("there is one");
    let job = |name: &str| {
        let found = release.jobs.iter().find(|(job, _)| job == name);
        &found.unwrap_or_else(|| panic!("no job {name}")).1
    };
    let with = |job: &Value, action: &str| {
        let step =
            steps(job).find(|step| step["uses"].as_str().is_some_and(|used| used.contains(action)));
        step.unwrap_or_else(|| panic!("no step with {action}: {job}"))["with"].clone()
    };
    let (build, publish) = (job("build"), job("publish"));
    let given = with(build, "upload-artifact");
    let taken = with(publish, "download-artifact");
    assert_eq!(publish["needs"], "build");
    assert_eq!((&given["name"], taken["name"].is_string()), (&taken["name"], true));
    let call = calls(build).into_iter().find(|call| call[0] == "scripts/release");
    let call = call.expect("it builds the release");
    assert_eq!(call.last().map(String::as_str), given["path"].as_str());
    let publishing = steps(publish).filter_map(|step| step["run"].as_str()).collect::<String>();
    let place = taken["path"].as_str().expect("it says where");
    for file in [format!("{place}/NOTES.md"), format!("{place}/*")] {
        assert!(publishing.contains(&file), "{file} is not published: {publishing}");
    }
}

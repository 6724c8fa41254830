//! What every program in scripts/ says of itself, and what it does with words that it does not know: nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Every file in scripts/ that is executed by hand.
fn programs() -> Vec<PathBuf> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let mut all: Vec<PathBuf> = fs::read_dir(&scripts)
        .expect("the tree has scripts")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| {
            let found = fs::metadata(path).expect("it was listed");
            found.is_file() && found.permissions().mode() & 0o111 != 0
        })
        .collect();
    all.sort();
    assert!(all.len() > 15, "{all:?}");
    all
}

fn says(program: &Path, word: &str) -> Output {
    let mut command = Command::new(program);
    command.arg(word).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

#[test]
fn every_script_has_help_and_refuses_an_option_that_it_does_not_know() {
    for program in programs() {
        for word in ["--help", "-h"] {
            let help = says(&program, word);
            let text = String::from_utf8_lossy(&help.stdout).into_owned();
            assert_eq!(help.status.code(), Some(0), "{} {word}: {help:?}", program.display());
            let name = program.file_name().expect("it has one").to_string_lossy().into_owned();
            assert!(text.to_lowercase().contains("usage:"), "{name} {word}: {text}");
            assert!(text.contains(&name) && help.stderr.is_empty(), "{name} {word}: {help:?}");
        }
        let wrong = says(&program, "--frobnicate");
        assert_eq!(wrong.status.code(), Some(2), "{}: {wrong:?}", program.display());
        let error = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert!(error.contains("--frobnicate"), "{}: {error}", program.display());
        assert!(wrong.stdout.is_empty(), "{}: {wrong:?}", program.display());
    }
}

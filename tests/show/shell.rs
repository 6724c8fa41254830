//! Completions as the shells really make them.
//!
//! zsh needs a terminal to complete; script(1) gives it one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Cmd, scratch, tool};

/// A directory with the tool as `mptcpize`, to stand first in PATH.
fn path_with_tool() -> String {
    let directory = tool::public_binary().parent().expect("it lies in a directory");
    format!("{}:{}", directory.display(), crate::support::process::PATH)
}

/// The completion script of a shell, in a file.
fn script(shell: &str) -> PathBuf {
    let text = tool(&["completions", shell]).run().silent().stdout;
    scratch::file(&scratch("completions").join(format!("mptcpize.{shell}")), text, 0o644)
}

/// What a table expects of the candidates: each of these, none of those.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

/// Lines up to the cursor, as any shell should complete them. The namespace has one link: lo.
const ROWS: [Row; 17] = [
    ("verbs", "mptcpize ", &["run", "setup", "enable"], &["complete", "help"]),
    ("a verb that is begun", "mptcpize se", &["setup"], &["run"]),
    ("options", "mptcpize setup --ex", &["--exclude", "--exit-code"], &["--only"]),
    ("options that are hidden from nobody", "mptcpize run --", &["--via", "--strict"], &["--only"]),
    ("verbs below a verb", "mptcpize setup un", &["undo"], &["guard"]),
    ("values of an option", "mptcpize run --via ", &["preload", "seccomp"], &["environment"]),
    ("its value after =", "mptcpize run --via=sec", &["seccomp"], &["preload"]),
    ("a link", "mptcpize setup --only ", &["lo"], &["run"]),
    ("a link after a comma", "mptcpize setup --only lo,", &["lo,lo"], &["run"]),
    ("a link and =", "mptcpize setup --gateway ", &["lo="], &["run"]),
    ("a verb cut short, as ip has it", "mptcpize endpoint a", &["add"], &["show"]),
    ("a link after dev", "mptcpize endpoint add 10.0.0.1 dev ", &["lo"], &["signal"]),
    ("words of ip", "mptcpize endpoint add 10.0.0.1 si", &["signal"], &["subflow"]),
    ("shells", "mptcpize completions ", &["bash", "zsh", "fish"], &["dash"]),
    ("units", "mptcpize enable mptcpize-test", &["mptcpize-test-unit.service"], &["lo"]),
    ("templates", "mptcpize enable mptcpize-test-t", &["mptcpize-test-t@.service"], &["lo"]),
    ("options of the program's own verb", "mptcpize run --strict -", &["--debug"], &["--only"]),
];

/// A systemctl that knows two units of ours and all of the host's: the real one, asked about a
/// root that the test made.
fn with_units(shell: Cmd) -> Cmd {
    let root = scratch("units");
    let units = root.join("etc/systemd/system");
    fs::create_dir_all(&units).expect("the scratch directory is ours");
    for name in ["mptcpize-test-unit.service", "mptcpize-test-t@.service"] {
        let text = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
        fs::write(units.join(name), text).expect("the scratch directory is ours");
    }
    let wrapper = scratch("systemctl");
    let text = format!("#!/bin/sh\nexec /usr/bin/systemctl --root={} \"$@\"\n", root.display());
    scratch::executable(&wrapper.join("systemctl"), text);
    shell.env("PATH", format!("{}:{}", wrapper.display(), path_with_tool()))
}

fn check(shell: &str, complete: impl Fn(&str) -> Vec<String>) {
    for (name, line, wanted, unwanted) in ROWS {
        // Where a shell puts in the whole word, its option stands before the value.
        let value = |word: String| match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => value.to_owned(),
            _ => word,
        };
        let found: Vec<String> = complete(line).into_iter().map(value).collect();
        for word in wanted {
            assert!(found.iter().any(|it| it == word), "{shell}, {name}: no {word} in {found:?}");
        }
        for word in unwanted {
            assert!(!found.iter().any(|it| it == word), "{shell}, {name}: {word} in {found:?}");
        }
    }
}

/// Completes a line as bash does: COMP_LINE, and COMP_WORDS split at its word breaks. Prints the
/// whole word of each candidate, whatever part of it bash would put in.
pub(super) const BASH: &str = r#"
source "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDS=() COMP_CWORD=0
rest=$2
while [[ $rest =~ ^([[:blank:]]*)([=:@]+|[^=:@[:blank:]]+) ]]; do
	COMP_WORDS+=("${BASH_REMATCH[2]}")
	rest=${rest:${#BASH_REMATCH[0]}}
done
[[ $2 != *[[:blank:]] ]] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_mptcpize mptcpize "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
"#;

fn bash(script: &Path, line: &str) -> Vec<String> {
    let shell = Cmd::new("bash").args(["-uc", BASH, "bash"]).arg(script).arg(line);
    let done = with_units(shell).run().silent();
    done.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_every_line() {
    let script = script("bash");
    Cmd::new("shellcheck").args(["--shell=bash"]).arg(&script).run().silent();
    check("bash", |line| bash(&script, line));
}

#[test]
fn bash_puts_in_only_what_stands_behind_its_word_breaks() {
    let script = script("bash");
    // bash itself keeps `--via=` and `mptcpize-test-t@`.
    assert_eq!(bash(&script, "mptcpize run --via=pre"), ["preload"]);
    assert_eq!(bash(&script, "mptcpize run --via="), ["auto", "preload", "seccomp", "none"]);
    assert_eq!(bash(&script, "mptcpize enable mptcpize-test-t@.ser"), [".service"]);
}

#[test]
fn the_program_under_run_and_its_arguments_are_the_shells_own_business() {
    let script = script("bash");
    let found = bash(&script, "mptcpize run --strict tru");
    assert!(found.iter().any(|word| word == "true"), "{found:?}");
    let found = bash(&script, "mptcpize setup --config /etc/host");
    assert!(found.iter().any(|word| word == "/etc/hosts"), "{found:?}");
    let found = bash(&script, "mptcpize man /us");
    assert!(found.iter().any(|word| word == "/usr"), "{found:?}");
}

#[test]
fn fish_completes_every_line() {
    let script = script("fish");
    check("fish", |line| {
        let ask = "source $argv[1]; complete -C $argv[2]";
        let shell = Cmd::new("fish").args(["--no-config", "-c", ask]).arg(&script).arg(line);
        let done = with_units(shell).run().silent();
        let words = done.stdout.lines().map(|line| line.split('\t').next().unwrap_or_default());
        words.map(str::to_owned).collect()
    });
}

/// zsh with the script loaded and its candidates caught where the completion system takes them.
pub(super) const ZSH: &str = r#"
zmodload zsh/zpty
cat >"$HOME/.zshrc" <<'EOT'
PS1='READY>' PROMPT_EOL_MARK=
unsetopt zle_bracketed_paste 2>/dev/null
autoload -Uz compinit && compinit -u -D
source "$SCRIPT"
compadd() {
	local -a caught
	builtin compadd -O caught "$@"
	print -rl -- "${(@)caught}" >>"$CAUGHT"
	builtin compadd "$@"
}
stty -echo
EOT
zpty shell "exec zsh -d -i"
zpty -r shell banner '*READY>*'
zpty -w -n shell "$LINE"$'\t'
zpty -w -n shell $'\C-u\C-l'"exit"$'\n'
while zpty -r shell rest; do :; done
zpty -d shell
"#;

#[test]
fn zsh_completes_every_line() {
    let script = script("zsh");
    check("zsh", |line| {
        let home = scratch("zsh");
        let caught = home.join("caught");
        let shell = Cmd::new("zsh")
            .args(["-f", "-c", ZSH])
            .env("HOME", &home)
            .env("ZDOTDIR", &home)
            .env("TERM", "dumb")
            .env("SCRIPT", &script)
            .env("LINE", line)
            .env("CAUGHT", &caught);
        with_units(shell).run();
        let caught = fs::read_to_string(caught).unwrap_or_default();
        caught.lines().map(str::to_owned).collect()
    });
}

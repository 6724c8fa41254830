//! What TCP gives, what plain MPTCP gives and what a program under the tool gets: every option
//! operation that MPTCP refuses, in every state of a socket, and what behaves differently.
//!
//! The tables are files, written by these tests (`UPDATE=1`) and checked by them: shim/README.md's,
//! which count the options and say what behaves differently, and tests/compat/table.md, which has each. Not here: real programs
//! (compat.rs, compat_cpython.rs).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::{Cmd, Launch, Netns};

const STATES: [&str; 4] = ["fresh", "bound", "listening", "connected"];

/// Where the tables stand in shim/README.md.
const MARKS: [&str; 2] = ["<!-- tests/shim/compat_table.rs: ", "<!-- end -->"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compat").join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whose sockets a program uses.
#[derive(Clone, Copy, PartialEq)]
enum Sockets {
    Tcp,
    /// Its own, of MPTCP.
    Plain,
    /// Those that the tool gives it.
    Ours,
}

impl Sockets {
    const ALL: [Sockets; 3] = [Sockets::Tcp, Sockets::Plain, Sockets::Ours];

    /// A Python program of tests/compat that takes `mptcp` as its last argument.
    fn python(self, namespace: &Netns, name: &str, arguments: &[&str]) -> Cmd {
        let launch = if self == Sockets::Ours { Launch::Tool } else { Launch::Native };
        let own = (self == Sockets::Plain).then_some("mptcp");
        launch.command("python3").arg(file(name)).args(arguments).args(own).within(namespace)
    }
}

/// A refused operation of tests/compat/pairs.txt.
struct Pair {
    input: String,
    level: String,
    operation: String,
    name: String,
}

fn pairs() -> Vec<Pair> {
    let text = read(&file("pairs.txt"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [version, level, number, operation, value, name] = fields[..] else {
            panic!("pairs.txt: {line}")
        };
        let family = if version == "6" { libc::AF_INET6 } else { libc::AF_INET };
        Pair {
            input: format!("{family} {level} {number} {operation} {value}\n"),
            level: level.to_owned(),
            operation: operation.to_owned(),
            name: name.to_owned(),
        }
    };
    lines.map(pair).collect()
}

/// What the prober got for each pair.
fn answers(sockets: Sockets, state: &str, pairs: &[Pair]) -> Vec<String> {
    let input: String = pairs.iter().map(|pair| pair.input.as_str()).collect();
    let done = sockets.python(&Netns::new(), "probe.py", &[state]).input(input).run().silent();
    let answers: Vec<String> = done.stdout.lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), pairs.len(), "{state}: {done}");
    answers
}

/// For each pair, by state: TCP's answer, plain MPTCP's and ours.
type Answers = Vec<[Vec<String>; 3]>;

fn all_answers(pairs: &[Pair]) -> Answers {
    let of = |state: &&str| Sockets::ALL.map(|sockets| answers(sockets, state, pairs));
    STATES.iter().map(of).collect()
}

/// How an answer stands to TCP's: the same, or the errno that is given instead.
fn beside(tcp: &str, other: &str) -> String {
    if tcp == other {
        "as TCP".to_owned()
    } else {
        other.split(' ').next().unwrap_or("").to_owned()
    }
}

/// Each pair: TCP's answer, plain MPTCP's and ours, on sockets in each state.
fn complete(pairs: &[Pair], answers: &Answers) -> String {
    let mut table = String::from(
        "# The socket options that MPTCP refuses\n\n\
         Written by tests/shim/compat_table.rs (`UPDATE=1`), Linux 6.18. What TCP answers on a connection, \
         and what\nplain MPTCP and a program under `mptcpize run` get in each state: `=` is TCP's \
         answer in that state.\n\n\
         | option | | TCP | MPTCP: fresh | bound | listening | connected | ours: fresh | bound | \
         listening | connected |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (index, pair) in pairs.iter().enumerate() {
        let (name, operation) = (&pair.name, &pair.operation);
        let tcp = &answers[3][0][index];
        let _ = write!(table, "| {name} | {operation} | {tcp} |");
        for who in [1, 2] {
            for state in answers {
                let cell = beside(&state[0][index], &state[who][index]).replace("as TCP", "=");
                let _ = write!(table, " {cell} |");
            }
        }
        table.push('\n');
    }
    table
}

/// The options counted: how many are answered as on TCP.
fn summary(pairs: &[Pair], answers: &Answers) -> String {
    let mut table = String::from(
        "| option operations that MPTCP refuses, answered as TCP | all | plain MPTCP, any state | \
         ours: fresh, bound | listening | connected |\n|---|--:|--:|--:|--:|--:|\n",
    );
    let levels = [("SOL_SOCKET", "1"), ("IPPROTO_IP", "0"), ("IPPROTO_TCP", "6")];
    let levels = levels.into_iter().chain([("IPPROTO_IPV6", "41")]);
    for (words, level) in levels {
        for operation in ["get", "set"] {
            let group: Vec<usize> = (0..pairs.len())
                .filter(|index| {
                    pairs[*index].level == level && pairs[*index].operation == operation
                })
                .collect();
            let same = |states: &[usize], who: usize| {
                let as_tcp = |index: &&usize| {
                    states
                        .iter()
                        .all(|state| answers[*state][0][**index] == answers[*state][who][**index])
                };
                group.iter().filter(as_tcp).count()
            };
            let _ = writeln!(
                table,
                "| `{operation}sockopt`, `{words}` | {} | {} | {} | {} | {} |",
                group.len(),
                same(&[0, 1, 2, 3], 1),
                same(&[0, 1], 2),
                same(&[2], 2),
                same(&[3], 2),
            );
        }
    }
    table
}

/// What to do about a behaviour that stays different, by its name: tests/compat/advice.txt.
fn advice(name: &str) -> String {
    let text = read(&file("advice.txt"));
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("advice.txt says nothing about: {name}")).to_owned()
}

/// What behaves differently.
fn behaviours() -> String {
    let said = Sockets::ALL.map(|sockets| {
        let done = sockets.python(&Netns::new(), "behaviour.py", &[]).run().silent();
        let line = |line: &str| {
            let (name, answer) = line.split_once('\t').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), answer.to_owned())
        };
        done.stdout.lines().map(line).collect::<Vec<(String, String)>>()
    });
    let [tcp, plain, ours] = said;
    let mut table =
        String::from("| | TCP | plain MPTCP | ours | what to do |\n|---|---|---|---|---|\n");
    assert!(tcp.len() == plain.len() && tcp.len() == ours.len() && tcp.len() > 15, "{tcp:?}");
    for (((name, tcp), (_, plain)), (_, ours)) in tcp.iter().zip(&plain).zip(&ours) {
        let what = if tcp == ours { String::new() } else { advice(name) };
        let shown = if tcp == ours { "as TCP" } else { ours.as_str() };
        let _ = writeln!(table, "| {name} | {tcp} | {plain} | {shown} | {what} |");
    }
    table
}

/// Compares a file with what it should be, or writes it.
#[track_caller]
fn check(path: &Path, old: &str, new: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, new).expect("the tree can be written");
    } else {
        assert_eq!(old, new, "UPDATE=1 writes {} anew", path.display());
    }
}

/// Compares the table of that name in shim/README.md with what it should be, or writes it.
#[track_caller]
fn check_readme(name: &str, table: &str) {
    // The other test writes its table into the same file.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shim/README.md");
    let text = read(&path);
    let [start, end] = MARKS;
    let start = format!("{start}{name} -->\n");
    let (before, rest) =
        text.split_once(&start).unwrap_or_else(|| panic!("shim/README.md has no {start}"));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("shim/README.md has no {end}"));
    check(&path, &text, &format!("{before}{start}{table}{end}{after}"));
}

#[test]
fn options_answer_as_on_tcp_but_for_those_in_the_table() {
    let pairs = pairs();
    assert_eq!(pairs.len(), 167);
    let answers = all_answers(&pairs);
    for (state, all) in STATES.iter().zip(&answers) {
        let good = all[0].iter().filter(|answer| answer.starts_with("ok")).count();
        assert!(good > 100, "{state}: {:?}", all[0]);
        if matches!(*state, "fresh" | "bound") {
            let differ: Vec<&str> = (0..pairs.len())
                .filter(|index| all[0][*index] != all[2][*index])
                .map(|index| pairs[index].name.as_str())
                .collect();
            assert!(differ.is_empty(), "a {state} socket can become TCP: {differ:?}");
        }
    }
    let path = file("table.md");
    let old = if path.exists() { read(&path) } else { String::new() };
    check(&path, &old, &complete(&pairs, &answers));
    check_readme("options", &summary(&pairs, &answers));
}

#[test]
fn behaviours_are_those_in_the_readme_of_the_shim() {
    check_readme("behaviour", &behaviours());
}

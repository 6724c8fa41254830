//! The boundary between the names that others choose and the terminal of whoever looks: processes,
//! links, files, `#!` lines, settings, units. Escape sequences and line feeds in them reach nobody.
//!
//! The attacker's half makes the names, the innocent half is every verb. Another name, or another
//! verb, is a line more.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::uplinks::{Station, Uplinks};
use crate::support::{Outcome, Running, scratch, tool, wait};

/// What a file or a process may be called: clears the screen, then a line of its own.
const NAME: &str = "\x1b[2J\nFORGED \u{9b}8m";
/// What a link may be called, or stand in a line: no white space.
const LINK: &str = "\x1b[8m\u{9b}1mz";

/// A host with hostile names, and the directory of its files.
struct Hostile {
    lab: Uplinks,
    files: PathBuf,
    image: PathBuf,
    _process: Running,
}

impl Hostile {
    fn new() -> Self {
        let lab = Uplinks::two_subnets("15mbit");
        // A link that is a path, and so is in every screen.
        let peer = "ip link add w3 type veth peer name";
        let script = format!(
            "{peer} \"$0\"; ip addr add 10.77.0.1/24 dev \"$0\"; ip link set w3 up
             ip link set \"$0\" up; ip route add default via 10.77.0.254 dev \"$0\" metric 900
             ip mptcp endpoint add 10.77.0.1 dev \"$0\" subflow"
        );
        lab.client.command("sh").args(["-euc", &script, LINK]).run().silent();
        let files = scratch("files").join(NAME);
        fs::create_dir(&files).expect("the name is new");
        let write = |name: &str, text: &str| {
            fs::write(files.join(name), text).expect("the scratch directory is ours");
        };
        write("script", &format!("#!/no{LINK}/such\n"));
        write("bad.toml", &format!("\"{LINK}\" = \"{LINK}\" FORGED\n"));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(files.join("script"), mode).expect("it is there");
        let image = image(&files);
        let process = process(&lab.client);
        Hostile { lab, files, image, _process: process }
    }

    /// `mptcpize WORDS…`, where `FILES` and `IMAGE` stand for the directories.
    fn tool(&self, words: &[&str]) -> Outcome {
        let files = self.files.to_str().expect("it is text");
        let image = self.image.to_str().expect("it is text");
        let words = words.iter().map(|word| word.replace("FILES", files).replace("IMAGE", image));
        self.lab.client.command(tool::binary()).args(words).run()
    }
}

/// An image whose unit, drop-in and settings have hostile names and texts.
fn image(files: &std::path::Path) -> PathBuf {
    let image = files.join("image");
    let units = image.join("etc/systemd/system");
    let dropins = units.join("web.service.d");
    for directory in [&dropins, &image.join("usr/bin")] {
        fs::create_dir_all(directory).expect("the scratch directory is ours");
    }
    fs::copy("/bin/true", image.join("usr/bin/web")).expect("a program");
    let unit = format!("[Unit]\nDescription={LINK}\n[Service]\nExecStart=/usr/bin/web {LINK}\n");
    fs::write(units.join("web.service"), unit).expect("it is ours");
    // It counts after ours, so its name is in the reason, and that in the drop-in.
    let text = "[Service]\nEnvironment=LD_PRELOAD=/x.so\n";
    fs::write(dropins.join(format!("99{NAME}.conf")), text).expect("it is ours");
    let gone = format!("[Service]\nExecStart=/usr/bin/{LINK}\n");
    fs::write(units.join("gone.service"), gone).expect("it is ours");
    image
}

/// A process with a hostile name that holds a connection and a listener.
fn process(station: &Station) -> Running {
    let ready = scratch("process").join("ready");
    let program = "
import socket, sys, time
open('/proc/self/comm', 'w').write(sys.argv[2][:15])
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
server.bind(('10.1.0.1', 0)); server.listen()
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
client.connect(server.getsockname()); held = server.accept()
open(sys.argv[1], 'w').write('ready')
time.sleep(1000)";
    let python = station.command("python3").args(["-c", program]).arg(&ready);
    let running = python.arg(NAME).start();
    wait::until("the connection", || ready.exists());
    running
}

/// Nothing in it that a terminal obeys, and no line that somebody else began.
#[track_caller]
fn assert_harmless(words: &[&str], done: &Outcome) {
    let said = format!("{}\n{}", done.stdout, done.stderr);
    let obeyed = |letter: char| letter.is_control() && letter != '\n';
    let shown = || format!("{words:?}: {:?}\n{:?}", done.stdout, done.stderr);
    assert!(!said.contains(obeyed), "{}", shown());
    assert!(!said.lines().any(|line| line.starts_with("FORGED")), "{}", shown());
}

/// Every verb, with what brings foreign text into what it says. The order counts: a set-up and an
/// enabled unit have something to say later.
const VERBS: [&[&str]; 61] = [
    &["setup", "--dry-run"],
    &["setup", "--dry-run", "-j"],
    &["setup", "-v"],
    &["setup", "--config", "FILES/bad.toml"],
    &["setup", "--config", "FILES/none"],
    &["setup", "--config", "FILES"],
    &["setup", "--only", LINK],
    &["setup", "--exclude", NAME],
    &["daemon", "--config", "FILES/bad.toml"],
    &["daemon", "--netns", NAME],
    &["gateway", "--dry-run"],
    &["gateway", "--lan", LINK],
    &["gateway", "--config", "FILES/bad.toml"],
    &["relay", "serve", "--dry-run"],
    &["relay", "serve", "--address", NAME, "--dry-run"],
    &["relay", "user", "add", NAME],
    &["relay", "add", NAME],
    &["relay", "remove", NAME],
    &["relay", "test", NAME],
    &["relay", "agent", "--host", "--dry-run"],
    &["relay", "agent", "--proxy", "127.0.0.1:1", "--relay", NAME],
    &["status"],
    &["status", "--all", "-j"],
    &["status", "--netns", NAME],
    &["check"],
    &["check", "-j"],
    &["check", NAME],
    &["top", "--once"],
    &["counters"],
    &["counters", "--netns", NAME],
    &["metrics"],
    &["metrics", "--form", "prometheus"],
    &["metrics", "--output", "FILES"],
    &["metrics", "--netns", NAME],
    &["endpoint", "show"],
    &["endpoint", "show", "-j"],
    &["endpoint", "add", "10.77.0.9", "dev", LINK],
    &["endpoint", "add", NAME],
    &["limits"],
    &["limits", "set", NAME],
    &["subflow", "add", NAME],
    &["monitor", "--netns", NAME],
    &["run", "FILES/script"],
    &["run", "--explain", "FILES/script"],
    &["run", "--explain", "-j", "FILES/script"],
    &["run", "-v", "FILES/none"],
    &["run", "--only-ports", NAME, "true"],
    &["run", "--tcp-programs", NAME, "true"],
    &["run", "-v", "--tcp-programs", LINK, "true"],
    &["enable", "-n", "--root", "IMAGE", "web"],
    &["enable", "-n", "-j", "--root", "IMAGE", "web"],
    &["enable", "--root", "IMAGE", "web", "gone"],
    &["enable", "--root", "IMAGE", NAME],
    &["enable", "--system", "--root", "IMAGE/usr"],
    &["list", "--root", "IMAGE"],
    &["disable", "--root", "IMAGE", "--all"],
    &["disable", "--root", "FILES/none", "web"],
    &["completions", NAME],
    &["man", "FILES/none/none"],
    &["help", NAME],
    &["setup", "undo", "-v"],
];

#[test]
fn hostile_names_reach_nobodys_terminal_through_any_verb() {
    let host = Hostile::new();
    let mut texts = String::new();
    for words in VERBS {
        let done = host.tool(words);
        assert_harmless(words, &done);
        texts += &(done.stdout + &done.stderr);
    }
    // They were there to be said.
    for shown in ["\\u001b[2J\\u000aFORGED", "\\u001b[8m\\u009b1mz"] {
        assert!(texts.contains(shown), "{shown} in {texts}");
    }
}

#[test]
fn the_list_of_verbs_is_complete() {
    let help = tool(&["--help"]).run().silent().stdout;
    let verbs = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let verbs: BTreeSet<&str> = verbs
        .expect("help lists the verbs")
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let tried: BTreeSet<&str> = VERBS.iter().map(|words| words[0]).collect();
    assert_eq!(verbs, tried);
}

#[test]
fn events_of_a_hostile_process_are_told_without_its_escape_sequences() {
    let host = Hostile::new();
    let station = &host.lab.client;
    let log = scratch("monitor").join("log");
    let script = "\"$0\" monitor -t >\"$1\" 2>&1";
    let monitor = station.command("sh").args(["-c", script]).arg(tool::binary()).arg(&log).start();
    // Again and again: nobody says when it has begun to listen.
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut attackers = VecDeque::new();
    wait::until("an event of a process with such a name", || {
        attackers.push_back(process(station));
        // Of those before, most have been there long enough to be looked at.
        if attackers.len() > 20 {
            attackers.pop_front();
        }
        said().contains("FORGED")
    });
    drop(monitor);
    let said = said();
    assert!(!said.contains(|letter: char| letter.is_control() && letter != '\n'), "{said:?}");
    assert!(!said.lines().any(|line| line.starts_with("FORGED")), "{said:?}");
}

#[test]
fn a_daemon_and_what_status_says_of_it_have_no_escape_sequences_of_a_link() {
    let host = Hostile::new();
    let station = &host.lab.client;
    let log = scratch("daemon").join("log");
    let script = "exec \"$0\" daemon -v 2>\"$1\"";
    let daemon = station.command("sh").args(["-euc", script]).arg(tool::binary()).arg(&log).start();
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait::until("the set-up with that link", || said().contains("\\u009b1mz"));
    station.command("ip").args(["link", "set", LINK, "down"]).run().silent();
    wait::until("the loss of that link", || said().contains("is no path any more"));
    assert_harmless(&["daemon", "status"], &station.tool("status").run());
    assert_harmless(&["daemon", "status", "-j"], &station.tool("status -j").run());
    assert_harmless(&["daemon"], &daemon.stop());
    let said = said();
    assert!(!said.contains(|letter: char| letter.is_control() && letter != '\n'), "{said:?}");
}

#[test]
fn a_drop_in_has_no_line_that_the_name_of_a_file_began() {
    let host = Hostile::new();
    host.tool(&["enable", "--root", "IMAGE", "web"]).ok();
    let file = host.image.join("etc/systemd/system/web.service.d/50-mptcpize.conf");
    let text = fs::read_to_string(file).expect("it was written");
    assert!(text.contains("FORGED"), "the reason names the file: {text}");
    assert!(!text.lines().any(|line| line.starts_with("FORGED")), "{text}");
}

#[test]
fn our_own_colours_stay_and_those_of_others_do_not() {
    let host = Hostile::new();
    let done = host.tool(&["status", "--color", "always"]);
    assert!(done.stdout.contains("\x1b[2m"), "{done}");
    assert!(!done.stdout.contains("\x1b[8m"), "{done}");
    assert!(!done.stdout.contains("\u{9b}"), "{done}");
}

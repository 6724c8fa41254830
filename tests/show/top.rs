//! `mptcpize top` in a real terminal, that of tmux: what it shows, its keys, and that the terminal
//! is as before after every way out.
//!
//! Not here: how frames look (pure/top_screens.rs).

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::support::lab::Lab;
use crate::support::mptcp::{connection, listener};
use crate::support::{Cmd, Netns, Running, scratch, tool, wait};
use rustix::process::{Pid, Signal, kill_process};

/// What the shell under `top` says when that has ended, whatever the terminal is like then.
const ENDED: &str = "ended with";

/// A terminal of 80 by 24 in which a shell runs `top`, and then waits.
struct Terminal {
    socket: PathBuf,
    _server: Running,
}

impl Terminal {
    fn new(host: &Netns) -> Self {
        Self::of(host, tool::binary(), "top")
    }

    /// A terminal in which something else runs first.
    fn of(host: &Netns, program: &Path, arguments: &str) -> Self {
        let socket = scratch("tmux").join("socket");
        let script = format!(
            "stty -g >{0}.before; {1} {arguments}; code=$?; stty -g >{0}.after; \
             echo {ENDED} $code; read -r _",
            socket.display(),
            program.display()
        );
        // In the foreground, so that it ends with the test.
        let server = Cmd::new("tmux")
            .args(["-D", "-f", "/dev/null", "-S"])
            .arg(&socket)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .within(host)
            .start();
        let terminal = Terminal { socket, _server: server };
        // A socket is there before it listens, and a client that is refused starts a server of its own.
        wait::until("tmux to listen", || UnixStream::connect(&terminal.socket).is_ok());
        let size = ["new-session", "-d", "-x", "80", "-y", "24"];
        terminal.tmux(&size).arg(script).run().ok();
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Cmd {
        let base = Cmd::new("tmux").args(["-u", "-S"]).arg(&self.socket).args(arguments);
        base.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color")
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).run().ok().stdout
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&["send-keys"]).args(keys).run().ok();
    }

    /// Waits for a text on the screen.
    #[track_caller]
    fn shows(&self, text: &str) -> String {
        let mut screen = String::new();
        let came = wait::comes(|| {
            screen = self.screen();
            screen.contains(text)
        });
        assert!(came, "waited in vain: {text}\n{screen}");
        screen
    }

    /// The process of `top`, a child of the shell.
    fn top(&self) -> Pid {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]).run().ok().stdout;
        let children = format!("/proc/{0}/task/{0}/children", shell.trim());
        let mut found = None;
        wait::until("top to run", || {
            let text = std::fs::read_to_string(&children).unwrap_or_default();
            found = text.split_whitespace().next().and_then(|pid| pid.parse().ok());
            found.is_some()
        });
        found.and_then(Pid::from_raw).expect("it is a process")
    }

    /// The terminal's settings are those of before, and its main screen is back.
    fn is_restored(&self, code: i32) {
        let screen = self.shows(ENDED);
        assert!(screen.contains(&format!("{ENDED} {code}\n")), "{screen}");
        assert!(!screen.contains("mptcpize top  "), "{screen}");
        let read = |when| {
            std::fs::read_to_string(format!("{}.{when}", self.socket.display())).expect("stty ran")
        };
        assert_eq!(read("before"), read("after"));
        let cursor = self.tmux(&["display-message", "-p", "#{cursor_flag}#{alternate_on}"]);
        assert_eq!(cursor.run().ok().stdout, "10\n");
    }
}

#[test]
fn it_shows_a_connection_its_subflows_and_events_and_obeys_its_keys() {
    let lab = Lab::two_paths(&["50mbit", "50mbit"]);
    lab.multipath();
    lab.client.ip("route add default via 10.2.0.254 dev w2 metric 100");
    let terminal = Terminal::new(&lab.client);
    let empty = terminal.shows("no MPTCP connection");
    assert!(empty.starts_with("mptcpize top  ● 2 paths  0 connections  "), "{empty}");
    let listener = listener(&lab.server, "10.99.0.1:0");
    let at = listener.local_addr().expect("it is bound").to_string();
    let ends = connection(&lab.client, &at, &listener);
    terminal.shows("subflow up");
    // An event is shown at once, and what has become of the connection at the next look.
    let mut screen = String::new();
    wait::until("one connection, selected, over both links", || {
        screen = terminal.screen();
        let line = screen.lines().find(|line| line.starts_with('▸')).unwrap_or_default();
        ["→ 10.99.0.1 ", " w1 ", " w2 ", "●"].iter().all(|part| line.contains(part))
    });
    assert!(!screen.contains(" subflow is "), "{screen}");
    terminal.press(&["Enter"]);
    terminal.shows("bit/s  10.2.0.1:");
    // Escape hides the subflows, and then forgets the filter. Two at once would be another key.
    terminal.press(&["Escape"]);
    wait::until("no details", || !terminal.screen().contains("bit/s  10.2.0.1:"));
    terminal.press(&["/", "n", "o", "t", "Enter"]);
    terminal.shows("no MPTCP connection");
    terminal.press(&["Escape"]);
    terminal.shows("→ 10.99.0.1 ");
    terminal.press(&["p"]);
    terminal.shows("paused");
    terminal.press(&["?"]);
    terminal.shows("choose a connection");
    terminal.press(&["x"]);
    // A terminal that changes its size gets another frame.
    terminal.tmux(&["resize-window", "-x", "60", "-y", "20"]).run().ok();
    wait::until("a narrower frame", || {
        let screen = terminal.screen();
        screen.lines().any(|line| line.chars().count() == 60 && line.starts_with("───"))
    });
    // Half a letter, and half a key: what is shown goes on.
    terminal.press(&["p"]);
    wait::until("no pause", || !terminal.screen().contains("paused"));
    for half in ["c3", "1b 5b"] {
        terminal.tmux(&["send-keys", "-H"]).args(half.split(' ')).run().ok();
        for _ in 0..2 {
            let before = terminal.screen();
            wait::until("another frame", || terminal.screen() != before);
        }
    }
    terminal.press(&["H"]);
    terminal.press(&["q"]);
    terminal.is_restored(0);
    drop(ends);
}

#[test]
fn the_terminal_is_given_back_whatever_ends_it() {
    let host = Netns::new();
    for (how, code) in [("C-c", 0), ("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let terminal = Terminal::new(&host);
        terminal.shows("mptcpize top  ");
        let signal = match how {
            "TERM" => Some(Signal::TERM),
            "HUP" => Some(Signal::HUP),
            "INT" => Some(Signal::INT),
            key => {
                terminal.press(&[key]);
                None
            }
        };
        if let Some(signal) = signal {
            kill_process(terminal.top(), signal).expect("it is ours");
        }
        terminal.is_restored(code);
    }
}

#[test]
fn it_ends_when_the_terminal_is_gone() {
    let host = Netns::new();
    let terminal = Terminal::new(&host);
    terminal.shows("mptcpize top  ");
    let top = terminal.top();
    terminal.tmux(&["kill-server"]).run();
    wait::until("its end", || kill_process(top, Signal::CONT).is_err());
}

#[test]
fn an_ordinary_user_sees_it_without_events() {
    let host = Netns::new();
    let once = Cmd::new(tool::public_binary()).args(["top", "--once"]);
    let outcome = once.by_nobody().within(&host).run().says(3, "");
    assert!(outcome.stdout.contains("events are for root"), "{outcome}");
    assert!(outcome.stdout.is_ascii(), "{outcome}");
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let host = Netns::new();
    tool(&["top"]).within(&host).run().says(
        2,
        "error: cannot show top\n  why: standard input and output must be a terminal\n  \
         fix: mptcpize top --once, or mptcpize status --watch\n",
    );
    let frame = tool(&["top", "--once"]).env("LC_ALL", "C.UTF-8").within(&host).run();
    let frame = frame.says(3, "");
    assert!(frame.stdout.starts_with("mptcpize top  ✗ 0 paths  0 connections  "), "{frame}");
    assert!(frame.stdout.contains("no path: no link has"), "{frame}");
}

/// That of a container that was made a moment ago.
#[test]
fn a_terminal_that_does_not_say_its_size_has_that_of_most() {
    let host = Netns::new();
    let line = format!("stty cols 0 rows 0; exec {} top", tool::binary().display());
    let script = Cmd::new("script").args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
    // It leaves by a key that was pressed before it came, after its first frame.
    let shown = script.env("LC_ALL", "C.UTF-8").input("q").within(&host).run().ok().stdout;
    for text in ["mptcpize top", "connections", "no path: no link has", " q quit  p pause"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let line = format!("stty cols 0 rows 0; {} status", tool::binary().display());
    let script = Cmd::new("script").args(["-qec", &line, "/dev/null"]).env("TERM", "dumb");
    let shown = script.within(&host).run().stdout;
    let long = shown.lines().find(|line| line.trim_end().chars().count() > 80);
    assert_eq!(long, None, "{shown}");
}

/// Tells this file's own binary that it is to panic.
const PANIC: &str = "PANIC_IN_FULL_SCREEN";

#[test]
fn a_panic_gives_the_terminal_back_too() {
    if std::env::var_os(PANIC).is_some() {
        // Only the hook may help: in the release build nothing is dropped.
        std::mem::forget(
            mptcpize::host::process::terminal::Screen::open().expect("tmux is a terminal"),
        );
        panic!("as asked");
    }
    let host = Netns::new();
    let own = std::env::current_exe().expect("it runs");
    let arguments = "--exact top::a_panic_gives_the_terminal_back_too --nocapture";
    let script = scratch("panic").join("run");
    let text = format!("#!/bin/sh\nexport {PANIC}=1\nexec {} \"$@\"\n", own.display());
    let script = scratch::file(&script, text.as_bytes(), 0o755);
    let terminal = Terminal::of(&host, &script, arguments);
    let screen = terminal.shows(ENDED);
    assert!(screen.contains("as asked"), "{screen}");
    terminal.is_restored(101);
}

//! The rented server as its administrator has it: `mptcpize relay serve` in the laboratory, with a place of
//! its own for what is kept over boots.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{RELAY_V4, Relays, WEB_V4, Web, file_at};
use crate::support::uplinks::Station;
use crate::support::{Cmd, Running, scratch, tool, wait};

/// The laboratory, with what the rented server keeps.
pub(super) struct Host {
    pub(super) relays: Relays,
    kept: PathBuf,
}

impl Host {
    /// Two links that no shaper slows down.
    pub(super) fn new() -> Self {
        Host::of(Relays::new())
    }

    pub(super) fn of(mut relays: Relays) -> Self {
        crate::lab::relay_binary();
        let kept = scratch("kept");
        // The relay's own user passes here.
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o755)).expect("it is ours");
        relays.lab.server.mounting(&format!("mount --bind '{}' /var/lib", kept.display()));
        // As the kernel starts it.
        relays.lab.server.net.ip("mptcp limits set subflows 2 add_addr_accepted 0");
        Host { relays, kept }
    }

    /// The rented server.
    pub(super) fn station(&self) -> &Station {
        &self.relays.lab.server
    }

    /// `mptcpize ARGUMENTS` there.
    pub(super) fn tool(&self, arguments: &str) -> Cmd {
        self.station().tool(arguments)
    }

    /// The file with the key.
    pub(super) fn file(&self) -> PathBuf {
        self.kept.join("mptcpize/relay/server.json")
    }

    /// `mptcpize relay serve OPTIONS`, back when it takes connections.
    #[track_caller]
    pub(super) fn serve(&self, options: &str) -> Serving {
        let serving = self.begin(options);
        serving.says("a relay at port ");
        serving
    }

    /// The same, back at once.
    pub(super) fn begin(&self, options: &str) -> Serving {
        Serving::by(|script| {
            let command = self.station().command("sh").args(["-euc", script]);
            let command = command.arg(tool::binary()).args(["relay", "serve"]);
            command.args(options.split_whitespace())
        })
    }

    /// What a program on the client downloads through the relay of this URL; nothing where it fails.
    pub(super) fn through(&self, url: &str) -> Option<Vec<u8>> {
        let file = scratch("through").join("file");
        let curl = self.relays.client().tool("run --no-setup --relay").arg(url);
        let curl = curl.args(["curl", "-sSf", "--max-time", "20", &file_at(WEB_V4), "-o"]);
        let outcome = curl.arg(&file).run();
        outcome.status.success().then(|| fs::read(file).expect("curl wrote it"))
    }

    /// A program on the client gets all of it through the relay of this URL.
    #[track_caller]
    pub(super) fn carries(&self, url: &str, web: &Web) {
        let got = self.through(url).expect("the relay takes it");
        assert!(got == web.content, "{} bytes of {}", got.len(), web.content.len());
    }
}

/// A relay that runs.
pub(super) struct Serving {
    pub(super) running: Running,
    output: PathBuf,
}

impl Serving {
    /// One by a command that carries out a script with the words after it.
    pub(super) fn by(command: impl FnOnce(&str) -> Cmd) -> Self {
        // Whoever runs it.
        let output = scratch::of_nobody(scratch("serving"));
        let script = format!("exec \"$0\" \"$@\" >'{0}/out' 2>'{0}/log'", output.display());
        Serving { running: command(&script).start(), output }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.output.join(name)).unwrap_or_default()
    }

    /// What it has said on standard error.
    pub(super) fn said(&self) -> String {
        self.text("log")
    }

    /// What it has printed.
    pub(super) fn printed(&self) -> String {
        self.text("out")
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(super) fn says(&self, text: &str) {
        let done = || self.said().contains(text) || self.said().contains("error: ");
        assert!(wait::comes(done) && self.said().contains(text), "{text:?} in\n{}", self.said());
    }

    /// The URL in the line that it printed.
    #[track_caller]
    pub(super) fn url(&self) -> String {
        wait::until("the line for clients", || self.printed().contains("#"));
        url(&self.printed())
    }

    /// A signal for the launcher.
    pub(super) fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(self.running.pid().cast_signed()).expect("it is no process 0");
        kill_process(process, signal).expect("it runs");
    }

    /// The process that carries the bytes.
    pub(super) fn relay(&self) -> Option<u32> {
        let pid = self.running.pid();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        text.unwrap_or_default().split_whitespace().next()?.parse().ok()
    }

    /// Ends it as Ctrl-C does.
    #[track_caller]
    pub(super) fn end(self) {
        self.signal(Signal::INT);
        let output = self.output.join("log");
        let outcome = self.running.finish();
        let said = fs::read_to_string(output).unwrap_or_default();
        assert_eq!(outcome.code(), 0, "{said}");
    }
}

/// The URL in a line for clients.
#[track_caller]
pub(super) fn url(text: &str) -> String {
    let begin = text.find("ss://").unwrap_or_else(|| panic!("no URL in {text:?}"));
    let rest = &text[begin..];
    rest[..rest.find('\'').expect("it is quoted")].to_owned()
}

/// The address that stands in it.
pub(super) fn at(port: u16) -> String {
    format!("@{RELAY_V4}:{port}#")
}

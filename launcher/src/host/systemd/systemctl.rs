//! Asking systemd, through systemctl(1): its output is documented to be parsed (`show`), it knows
//! the bus of each service manager, and it costs no dependency.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Error, Exit, reason};
use crate::host::process::privilege;

/// How long systemd may take for an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// How long it may take to restart services: three times its own default for one (90 s, stop and
/// start each).
const RESTART: Duration = Duration::from_secs(270);

/// Properties of a unit; some come more than once.
pub type Properties = BTreeMap<String, Vec<String>>;

/// One service manager: the system's, or the calling user's.
#[derive(Clone, Copy, Debug)]
pub struct Systemctl {
    /// The user's.
    pub user: bool,
}

impl Systemctl {
    /// Its version, as `systemctl --version` begins.
    ///
    /// # Errors
    /// There is no systemctl.
    pub fn version(self) -> Result<u32, Error> {
        let text = self.run(&["--version"], ANSWER)?;
        let number = text
            .split_whitespace()
            .nth(1)
            .map(|word| word.chars().take_while(char::is_ascii_digit).collect::<String>());
        Ok(number.and_then(|number| number.parse().ok()).unwrap_or(0))
    }

    /// Properties of units, in the order asked.
    ///
    /// # Errors
    /// No systemd answers.
    pub fn show(self, units: &[&str], properties: &[&str]) -> Result<Vec<Properties>, Error> {
        if units.is_empty() {
            return Ok(Vec::new());
        }
        let list = properties.join(",");
        let mut arguments = vec!["show", "--property", &list, "--"];
        arguments.extend(units);
        Ok(blocks(&self.run(&arguments, ANSWER)?))
    }

    /// The environment that the manager gives to all its units.
    ///
    /// # Errors
    /// No systemd answers.
    pub fn environment(self) -> Result<BTreeMap<String, String>, Error> {
        let text = self.run(&["show-environment"], ANSWER)?;
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), unquoted(value))).collect())
    }

    /// The names of all units that systemd has or could load, whose kind and state do not matter.
    ///
    /// # Errors
    /// No systemd answers.
    pub fn names(self) -> Result<Vec<String>, Error> {
        let loaded = ["list-units", "--all", "--full", "--plain", "--no-legend"];
        let files = ["list-unit-files", "--full", "--no-legend"];
        let mut names = Vec::new();
        for arguments in [&loaded[..], &files] {
            let text = self.run(arguments, ANSWER)?;
            names.extend(
                text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned),
            );
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Lets systemd read its files again.
    ///
    /// # Errors
    /// It refuses.
    pub fn reload(self) -> Result<(), Error> {
        self.run(&["daemon-reload"], ANSWER).map(drop)
    }

    /// Restarts those of the units that run.
    ///
    /// # Errors
    /// One does not come up again.
    pub fn restart(self, units: &[&str]) -> Result<(), Error> {
        let (sockets, others): (Vec<&str>, Vec<&str>) =
            units.iter().partition(|unit| unit.ends_with(".socket"));
        if !sockets.is_empty() {
            self.open_again(&sockets)?;
        }
        if others.is_empty() { Ok(()) } else { self.verb("try-restart", &others) }
    }

    /// Restarts sockets. systemd opens none while the service that has taken the old one runs, and
    /// starts that service at the next client until the socket is closed: both go first.
    fn open_again(self, sockets: &[&str]) -> Result<(), Error> {
        let triggered = self.triggered(sockets)?;
        let services: Vec<&str> = triggered.iter().map(|(service, _)| service.as_str()).collect();
        let running = running(&triggered);
        self.stop(&[sockets, &services].concat())?;
        self.start(sockets)?;
        if running.is_empty() { Ok(()) } else { self.start(&running) }
    }

    /// Restarts the services of sockets that are not open themselves: one may run on, with the
    /// socket that it was given.
    ///
    /// # Errors
    /// One does not come up again.
    pub fn restart_services_of(self, sockets: &[&str]) -> Result<(), Error> {
        let triggered = self.triggered(sockets)?;
        let running = running(&triggered);
        if running.is_empty() { Ok(()) } else { self.verb("try-restart", &running) }
    }

    /// The services that sockets start, and whether each runs.
    fn triggered(self, sockets: &[&str]) -> Result<Vec<(String, bool)>, Error> {
        let shown = self.show(sockets, &["Triggers"])?;
        let words = shown.iter().filter_map(|one| one.get("Triggers")).flatten();
        let services: Vec<&str> = words.flat_map(|words| words.split_whitespace()).collect();
        let states = self.show(&services, &["ActiveState"])?;
        let runs = |state: &Properties| {
            let state = state.get("ActiveState").and_then(|values| values.first());
            state.is_some_and(|state| state == "active" || state == "reloading")
        };
        let all = services.iter().zip(&states);
        Ok(all.map(|(service, state)| ((*service).to_owned(), runs(state))).collect())
    }

    /// Starts units that do not run.
    ///
    /// # Errors
    /// One does not come up.
    pub fn start(self, units: &[&str]) -> Result<(), Error> {
        self.verb("start", units)
    }

    /// Starts a unit, again if it runs, and whatever became of it before.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_anew(self, unit: &str) -> Result<(), Error> {
        let _ = self.forget_failure(&[unit]);
        self.verb("restart", &[unit])
    }

    /// Lets a unit start at each boot.
    ///
    /// # Errors
    /// systemd refuses.
    pub fn enable(self, unit: &str) -> Result<(), Error> {
        self.run(&["enable", "--quiet", "--", unit], ANSWER).map(drop)
    }

    /// Stops a unit, and lets it start at no boot.
    ///
    /// # Errors
    /// systemd refuses.
    pub fn disable(self, unit: &str) -> Result<(), Error> {
        self.run(&["disable", "--quiet", "--now", "--", unit], RESTART).map(drop)
    }

    /// Stops units.
    ///
    /// # Errors
    /// One does not stop.
    pub fn stop(self, units: &[&str]) -> Result<(), Error> {
        self.verb("stop", units)
    }

    fn verb(self, verb: &str, units: &[&str]) -> Result<(), Error> {
        let mut arguments = vec![verb, "--"];
        arguments.extend(units);
        self.run(&arguments, RESTART).map(drop)
    }

    /// Forgets that units failed.
    ///
    /// # Errors
    /// systemd refuses.
    pub fn forget_failure(self, units: &[&str]) -> Result<(), Error> {
        self.verb("reset-failed", units)
    }

    /// Starts units that ran before and failed to since.
    ///
    /// # Errors
    /// One does not come up.
    pub fn start_again(self, units: &[&str]) -> Result<(), Error> {
        self.forget_failure(units)?;
        self.start(units)
    }

    fn run(self, arguments: &[&str], patience: Duration) -> Result<String, Error> {
        let mut command = Command::new("systemctl");
        if self.user {
            command.arg("--user");
        }
        command.args(["--no-pager", "--no-ask-password"]).args(arguments);
        command.env("LC_ALL", "C").env("SYSTEMD_COLORS", "0").env("SYSTEMD_URLIFY", "0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            Error::new(Exit::Missing, "cannot run systemctl")
                .why(reason(&error))
                .fix("without systemd there are no units: mptcpize run CMD")
        })?;
        let collect = |mut pipe: Box<dyn Read + Send>| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = pipe.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let stdout = child.stdout.take().map(|pipe| collect(Box::new(pipe)));
        let stderr = child.stderr.take().map(|pipe| collect(Box::new(pipe)));
        let ended = wait(child.id(), patience);
        if !ended {
            let _ = child.kill();
        }
        let status = child.wait();
        let text = |reader: Option<thread::JoinHandle<String>>| {
            reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
        };
        let (stdout, stderr) = (text(stdout), text(stderr));
        if ended && status.is_ok_and(|status| status.success()) {
            return Ok(stdout);
        }
        let verb = arguments.first().copied().unwrap_or_default();
        Err(if ended { self.refused(verb, &stderr) } else { silent(verb, patience) })
    }

    /// What systemctl's words mean.
    fn refused(self, verb: &str, stderr: &str) -> Error {
        let said = stderr.trim();
        let has = |part: &str| said.contains(part);
        if has("not been booted with systemd") || has("Failed to connect to") || has("chroot") {
            let error = Error::new(Exit::Missing, "no systemd answers").why(said);
            return error.fix(match self.user {
                true => {
                    "run it in a session of the user: XDG_RUNTIME_DIR=/run/user/$(id -u) mptcpize …"
                }
                false => "for the files of an image: --root DIR; without systemd: mptcpize run CMD",
            });
        }
        if has("Access denied") || has("authentication required") || has("Permission denied") {
            return Error::new(Exit::NotPermitted, format!("systemd refuses {verb}"))
                .why(said)
                .fix(privilege::advice());
        }
        Error::new(Exit::Failed, format!("systemctl {verb} failed")).why(said)
    }
}

fn running(triggered: &[(String, bool)]) -> Vec<&str> {
    triggered.iter().filter_map(|(service, runs)| runs.then_some(service.as_str())).collect()
}

fn silent(verb: &str, patience: Duration) -> Error {
    Error::new(Exit::Failed, format!("systemctl {verb} does not end"))
        .why(format!("no answer in {} s", patience.as_secs()))
        .fix("systemctl list-jobs    # shows what it waits for")
}

/// Waits for the end of a child; false when it takes longer.
fn wait(child: u32, patience: Duration) -> bool {
    let pid = Pid::from_raw(child.cast_signed());
    let Some(Ok(descriptor)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        // A kernel before 5.3, which has no MPTCP either: wait without an end.
        return true;
    };
    let limit = Timespec::try_from(patience).ok();
    let mut ready = [PollFd::new(&descriptor, PollFlags::IN)];
    loop {
        match poll(&mut ready, limit.as_ref()) {
            Ok(count) => return count > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}

/// `show` leaves an empty line between units.
fn blocks(text: &str) -> Vec<Properties> {
    let mut all = vec![Properties::new()];
    for line in text.lines() {
        if line.is_empty() {
            all.push(Properties::new());
        } else if let (Some((key, value)), Some(last)) = (line.split_once('='), all.last_mut()) {
            last.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    all
}

/// `show-environment` quotes for a shell where it must: `$'…'`.
fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix("$'").and_then(|rest| rest.strip_suffix('\''));
    inner.map_or(value, |inner| inner).replace("\\'", "'").replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_come_in_blocks_and_more_than_once() {
        let all = blocks("Id=a.service\nExecStart=\nE=1\nE=2\n\nId=b.service\nX=a=b\n");
        assert_eq!(all.len(), 2);
        assert_eq!(all[0]["E"], ["1", "2"]);
        assert_eq!(all[1]["X"], ["a=b"]);
    }

    #[test]
    fn what_systemctl_says_has_its_exit_code() {
        let system = Systemctl { user: false };
        for (said, exit) in [
            ("System has not been booted with systemd as init system", Exit::Missing),
            ("Failed to connect to bus: No such file", Exit::Missing),
            ("Failed to reload daemon: Access denied", Exit::NotPermitted),
            ("Failed to reload daemon: Interactive authentication required.", Exit::NotPermitted),
            ("Job for a.service failed", Exit::Failed),
        ] {
            assert_eq!(system.refused("x", said).exit(), exit, "{said}");
        }
    }
}

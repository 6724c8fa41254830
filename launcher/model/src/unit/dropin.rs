//! The drop-in: its text, with the reason of each line in it, and what can be told from it later.
//!
//! One file a unit, `UNIT.d/50-mptcpize.conf`. Its first line says whose it is, and what was made
//! for it is listed, so that no other record is needed to take it away.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::plain;
use crate::unit::UnitName;
use crate::unit::back_to_tcp::{self, Manager};
use crate::unit::file::{Word, is_continued, literal, quoted, words};

/// Its file name. 50 leaves room before and behind it, as drop-ins sort by name.
pub const FILE: &str = "50-mptcpize.conf";
/// How its first line begins.
const MARK: &str = "# Written by mptcpize";
/// How a line begins that names a directory made for it.
const MADE: &str = "# made: ";
/// How the reason begins for which commands are under `mptcpize run`.
const UNDER_RUN: &str = "the same commands under mptcpize run: ";
/// The unit that sets the host up at boot.
pub const SETUP: &str = "mptcpize-setup.service";

/// How the unit's programs are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Variables of `Environment=`; either may be missing.
    Environment {
        /// `LD_PRELOAD` with our library and what the unit had, specifiers as they were.
        preload: Option<String>,
        /// `GODEBUG` likewise.
        godebug: Option<String>,
    },
    /// Each `ExecStart=` under `mptcpize run`.
    Run {
        /// The settings, in order, as [`under_run`] makes them.
        lines: Vec<String>,
        /// Why the environment does not do.
        why: String,
    },
    /// systemd makes the socket; with its way back to TCP, where it has one.
    Socket(Option<Manager>),
}

impl Mechanism {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Mechanism::Environment { preload: Some(_), .. } => "preload",
            Mechanism::Environment { preload: None, .. } => "godebug",
            Mechanism::Run { .. } => "run",
            Mechanism::Socket(_) => "socket",
        }
    }
}

/// What goes into the file.
#[derive(Clone, Debug)]
pub struct Dropin {
    /// The unit.
    pub unit: UnitName,
    /// How its programs are reached.
    pub mechanism: Mechanism,
    /// Other variables of `Environment=`, each with its reason.
    pub variables: Vec<(String, String)>,
    /// Wait for the unit that sets the host up (services of users cannot).
    pub after_setup: bool,
    /// Our files that the unit's own root or mounts would hide, and where they appear in it.
    pub bind: Vec<(PathBuf, PathBuf)>,
    /// Our files that its `NoExecPaths=` would make useless.
    pub executable: Vec<PathBuf>,
    /// Directories made for the file, deepest first.
    pub made: Vec<PathBuf>,
}

impl Dropin {
    /// The text of the file.
    pub fn render(&self) -> String {
        let mut text = format!(
            "{MARK}: {} uses Multipath TCP where its peers do.\n\
             # Do not edit: mptcpize enable writes it anew, mptcpize disable takes it away.\n",
            self.unit
        );
        for directory in &self.made {
            let _ = writeln!(text, "{MADE}{}", directory.display());
        }
        let mut section = "";
        let mut line = |name: &'static str, why: &str, settings: &[String]| {
            if section != name {
                let _ = write!(text, "\n[{name}]\n");
                section = name;
            }
            // It may name a file, and a line feed in that name would begin a setting.
            let _ = writeln!(text, "# {}", plain::words(why));
            for setting in settings {
                let _ = writeln!(text, "{setting}");
            }
        };
        if self.after_setup {
            let why = "not before the links of the host are set up, where that is done at boot";
            line("Unit", why, &[format!("After={SETUP}")]);
        }
        match &self.mechanism {
            Mechanism::Environment { preload, godebug } => {
                if let Some(value) = preload {
                    let why = "its TCP sockets are MPTCP sockets; where the kernel has none, TCP as before";
                    line("Service", why, &[variable("LD_PRELOAD", value)]);
                }
                if let Some(value) = godebug {
                    let why =
                        "Go programs make their own system calls: this is their switch for it";
                    line("Service", why, &[variable("GODEBUG", value)]);
                }
            }
            Mechanism::Run { lines, why } => {
                let mut settings = vec!["ExecStart=".to_owned()];
                settings.extend(lines.iter().map(|line| format!("ExecStart={line}")));
                line("Service", &format!("{UNDER_RUN}{why}"), &settings);
            }
            Mechanism::Socket(back) => {
                line(
                    "Socket",
                    "systemd makes this socket itself",
                    &["SocketProtocol=mptcp".into()],
                );
                if let Some(manager) = back {
                    let why = "as it was, where MPTCP is off or not in the kernel";
                    line("Socket", why, &back_to_tcp::settings(*manager));
                }
            }
        }
        for (name, value) in &self.variables {
            line("Service", "asked when it was enabled", &[variable(name, value)]);
        }
        if !self.bind.is_empty() {
            let pair =
                |(from, to): &(PathBuf, PathBuf)| format!("{}:{}", setting(from), setting(to));
            let all: Vec<String> = self.bind.iter().map(pair).collect();
            let why = "the unit's own view of the file system does not have these";
            line("Service", why, &[format!("BindReadOnlyPaths={}", all.join(" "))]);
        }
        if !self.executable.is_empty() {
            let all: Vec<String> = self.executable.iter().map(|path| setting(path)).collect();
            let why = "its NoExecPaths= would not let these be mapped";
            line("Service", why, &[format!("ExecPaths={}", all.join(" "))]);
        }
        text
    }
}

fn variable(name: &str, value: &str) -> String {
    format!("Environment={}", quoted(&format!("{name}={value}")))
}

fn setting(path: &Path) -> String {
    literal(&path.to_string_lossy())
}

/// Is it a file of ours?
pub fn is_ours(text: &str) -> bool {
    text.starts_with(MARK)
}

/// The directories that were made for it, deepest first; only such as lie above the file itself.
pub fn made<'a>(text: &'a str, file: &Path) -> Vec<&'a Path> {
    let listed = text.lines().filter_map(|line| line.strip_prefix(MADE)).map(Path::new);
    listed.filter(|directory| file.starts_with(directory)).collect()
}

/// Why its commands are under `mptcpize run`.
pub fn why_under_run(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(UNDER_RUN))
}

/// How a drop-in reaches the unit's programs: the name of its [`Mechanism`].
pub fn mechanism(text: &str) -> &'static str {
    let has = |start: &str| text.lines().any(|line| line.starts_with(start));
    match () {
        () if has("ExecStart=") => "run",
        () if has("SocketProtocol=") => "socket",
        () if has("Environment=\"LD_PRELOAD=") => "preload",
        () => "godebug",
    }
}

/// Does it put the unit's programs under a filter?
pub fn has_filter(text: &str) -> bool {
    let mut commands = text.lines().filter_map(|line| line.strip_prefix("ExecStart="));
    commands.any(|command| command.contains(" run --no-setup --via seccomp "))
}

/// The commands of one `ExecStart=`: it may hold several, with a `;` between them.
pub fn commands(setting: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for Word { start: at, end, .. } in words(setting) {
        if &setting[at..end] == ";" {
            found.push(setting[start..at].trim());
            start = end;
        }
    }
    found.push(setting[start..].trim());
    found.retain(|command| !command.is_empty());
    found
}

/// The prefix of a command (systemd.service(5), "Command lines"), and the rest.
pub fn prefix(command: &str) -> (&str, &str) {
    let end = command.find(|letter| !"@-:+!|".contains(letter)).unwrap_or(command.len());
    command.split_at(end)
}

/// The program of a command, specifiers as they are.
pub fn program(command: &str) -> Option<String> {
    words(prefix(command).1).into_iter().next().map(|word| word.text)
}

/// A command under `mptcpize run`, all else about it kept.
///
/// # Errors
/// A clause: it sets `argv[0]`, which `run` cannot, has no program, or would go on in the next line.
pub fn under_run(command: &str, binary: &Path, options: &[&str]) -> Result<String, String> {
    let (prefix, rest) = prefix(command);
    if prefix.contains('@') {
        return Err("its ExecStart= gives the program another name (@)".into());
    }
    if words(rest).is_empty() {
        return Err("its ExecStart= has no program".into());
    }
    if is_continued(rest) {
        // Behind it there was a blank, which a setting does not keep.
        return Err("its ExecStart= ends with a backslash".into());
    }
    let options: String = options.iter().flat_map(|option| [" ", option]).collect();
    Ok(format!("{prefix}{} run --no-setup{options} -- {rest}", setting(binary)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropin(mechanism: Mechanism) -> Dropin {
        Dropin {
            unit: UnitName::new("web").expect("a good name"),
            mechanism,
            variables: Vec::new(),
            after_setup: true,
            bind: Vec::new(),
            executable: Vec::new(),
            made: vec![PathBuf::from("/etc/systemd/system/web.service.d")],
        }
    }

    #[test]
    fn the_text_says_why_each_line_is_there() {
        let mut web = dropin(Mechanism::Environment {
            preload: Some("%h/a \"b\".so:/l/libmptcpize.so".into()),
            godebug: Some("multipathtcp=1".into()),
        });
        web.bind = vec![("/l/libmptcpize.so".into(), "/run/x.so".into())];
        let text = web.render();
        assert_eq!(
            text,
            "# Written by mptcpize: web.service uses Multipath TCP where its peers do.\n\
             # Do not edit: mptcpize enable writes it anew, mptcpize disable takes it away.\n\
             # made: /etc/systemd/system/web.service.d\n\
             \n[Unit]\n\
             # not before the links of the host are set up, where that is done at boot\n\
             After=mptcpize-setup.service\n\
             \n[Service]\n\
             # its TCP sockets are MPTCP sockets; where the kernel has none, TCP as before\n\
             Environment=\"LD_PRELOAD=%h/a \\\"b\\\".so:/l/libmptcpize.so\"\n\
             # Go programs make their own system calls: this is their switch for it\n\
             Environment=\"GODEBUG=multipathtcp=1\"\n\
             # the unit's own view of the file system does not have these\n\
             BindReadOnlyPaths=/l/libmptcpize.so:/run/x.so\n"
        );
        let reasons = text.lines().filter(|line| line.starts_with("# ")).count();
        let settings = text.lines().filter(|line| line.contains('=') && !line.starts_with('#'));
        assert_eq!(reasons - 3, settings.count());
    }

    #[test]
    fn what_was_made_and_the_way_are_read_back() {
        let file = Path::new("/etc/systemd/system/web.service.d/50-mptcpize.conf");
        let mechanisms = [
            Mechanism::Environment { preload: Some("x".into()), godebug: Some("y".into()) },
            Mechanism::Environment { preload: None, godebug: Some("y".into()) },
            Mechanism::Run { lines: vec!["/bin/x".into()], why: "it is static".into() },
            Mechanism::Socket(Some(Manager::System)),
            Mechanism::Socket(None),
        ];
        for kind in mechanisms {
            let dropin = dropin(kind);
            let text = dropin.render();
            assert!(is_ours(&text));
            assert_eq!(super::mechanism(&text), dropin.mechanism.name());
            assert!(!has_filter(&text));
            assert_eq!(made(&text, file), [Path::new("/etc/systemd/system/web.service.d")]);
        }
        // Nobody gets a directory removed by writing its name into the file.
        assert!(made("# Written by mptcpize\n# made: /home\n", file).is_empty());
        assert!(!is_ours("[Service]\nEnvironment=A=1\n"));
    }

    #[test]
    fn commands_keep_their_prefix_and_their_words() {
        let run =
            |command| under_run(command, Path::new("/usr/bin/mptcpize"), &["--via", "seccomp"]);
        assert_eq!(
            run("-+/bin/x \"a b\" $Y %i").as_deref(),
            Ok("-+/usr/bin/mptcpize run --no-setup --via seccomp -- /bin/x \"a b\" $Y %i")
        );
        let mut filtered = dropin(Mechanism::Socket(None));
        filtered.mechanism =
            Mechanism::Run { lines: run("/bin/x").into_iter().collect(), why: "x".into() };
        assert!(has_filter(&filtered.render()));
        assert_eq!(why_under_run(&filtered.render()), Some("x"));
        assert!(run("@/bin/x y").is_err());
        assert!(run("-!").is_err());
        assert!(run(r"/bin/x \").is_err() && run(r"/bin/x \\").is_ok());
        assert_eq!(commands("/a 'x ; y' ; /b c"), ["/a 'x ; y'", "/b c"]);
        assert_eq!(program("!!/usr/bin/x -y").as_deref(), Some("/usr/bin/x"));
        assert_eq!(program(""), None);
    }
}

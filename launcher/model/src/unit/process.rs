//! A process of a unit, as far as it decides whether its sockets are MPTCP, and the ways in which a
//! process loses the library that its unit gave to it.

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// That of its parent.
    pub parent: u32,
    /// Its name, as `ps -o comm` shows it.
    pub name: String,
    /// When it was started, in clock ticks after the boot (`sysconf(_SC_CLK_TCK)` a second).
    pub started_ticks: u64,
    /// The clock ticks that it has run.
    pub ran_ticks: u64,
    /// It runs just now, waits for a disk, or is not yet what it will be.
    pub busy: bool,
    /// It was started before the unit was switched on.
    pub older: bool,
    /// It has mapped our library.
    pub library: bool,
    /// It is under a seccomp filter of ours.
    pub filtered: bool,
    /// The kernel told its loader to ignore the environment (`AT_SECURE`, ld.so(8)).
    pub secure: bool,
    /// What it was started with.
    pub environment: Environment,
    /// The security module's profile for it.
    pub confined_by: Option<String>,
    /// Why no preload reaches its binary.
    pub beyond: Option<String>,
    /// It is a Go program that knows MPTCP.
    pub go: bool,
    /// Why it does not see the library's file.
    pub unseen: Option<String>,
}

/// The environment that a process was started with; what it sets later is not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// It wrote something else over it: its title, as `ps` shows it.
    pub overwritten: bool,
    /// `LD_PRELOAD` names our library.
    pub preload: bool,
    /// `GODEBUG` has `multipathtcp`.
    pub godebug: bool,
    /// The variable that systemd gives to all its services.
    pub invocation: bool,
    /// `MPTCPIZE=off`.
    pub off: bool,
    /// It has a policy of ours.
    pub policy: bool,
}

impl Environment {
    /// Reads the bytes of /proc/PID/environ.
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let variables = text.strip_suffix('\0').unwrap_or(&text).split('\0');
        let mut found = Environment::default();
        if text.is_empty() {
            return found;
        }
        for variable in variables {
            let Some((name, value)) = variable.split_once('=') else {
                found.overwritten = true;
                continue;
            };
            match name {
                "LD_PRELOAD" => found.preload |= value.contains("libmptcpize"),
                "GODEBUG" => {
                    found.godebug |=
                        value.contains("multipathtcp=") && !value.contains("multipathtcp=0");
                }
                "INVOCATION_ID" => found.invocation = true,
                "MPTCPIZE" => found.off |= value == "off" || value == "0",
                "MPTCPIZE_POLICY" => found.policy = !value.is_empty(),
                _ => {}
            }
        }
        found
    }
}

/// How a process loses what its unit's environment gives to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its loader ignores the environment.
    Secure,
    /// The environment was cleaned on the way to it.
    Cleaned,
    /// No preload reaches its binary.
    Binary(String),
}

impl Loss {
    /// As a clause, with the process as its subject.
    pub fn words(&self) -> String {
        match self {
            Loss::Secure => "its loader ignores the environment: it was started anew as another \
                             user, or its file gains privilege"
                .to_owned(),
            Loss::Cleaned => {
                "the environment was cleaned on the way to it, LD_PRELOAD with the rest".to_owned()
            }
            Loss::Binary(why) => why.clone(),
        }
    }
}

impl Process {
    /// Would this process, as it was started, lose a variable of its unit? Told without the
    /// variable: every service has one of systemd's.
    pub fn loses(&self) -> Option<Loss> {
        let Environment { overwritten, invocation, .. } = self.environment;
        match &self.beyond {
            Some(why) => Some(Loss::Binary(why.clone())),
            None if self.secure && !self.go => Some(Loss::Secure),
            None if !overwritten && !invocation => Some(Loss::Cleaned),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_read_unless_a_title_was_written_over_it() {
        let ours =
            b"LD_PRELOAD=/l/libmptcpize.so:/o.so\0GODEBUG=a=1,multipathtcp=1\0INVOCATION_ID=1\0";
        let read = Environment::read(ours);
        assert!(read.preload && read.godebug && read.invocation && !read.overwritten && !read.off);
        let off = Environment::read(b"MPTCPIZE=off\0GODEBUG=multipathtcp=0\0MPTCPIZE_POLICY=x\0");
        assert!(off.off && off.policy && !off.godebug && !off.overwritten);
        assert!(Environment::read(b"n;master process;\0\0\0\0\0").overwritten);
        assert!(Environment::read(b"      ").overwritten);
        // `env -i`: there is nothing, and nothing was written over it.
        assert_eq!(Environment::read(b""), Environment::default());
    }

    #[test]
    fn a_loss_is_told_before_the_unit_is_switched_on() {
        let with =
            |bytes: &[u8]| Process { environment: Environment::read(bytes), ..Process::default() };
        assert_eq!(with(b"INVOCATION_ID=1\0").loses(), None);
        assert_eq!(with(b"LANG=C\0").loses(), Some(Loss::Cleaned));
        assert_eq!(with(b"").loses(), Some(Loss::Cleaned));
        // nginx writes its title over it, and has lost nothing.
        assert_eq!(with(b"nginx: master\0\0\0").loses(), None);
        let secure = Process { secure: true, ..with(b"INVOCATION_ID=1\0") };
        assert_eq!(secure.loses(), Some(Loss::Secure));
        let beyond = Process { beyond: Some("it is static".into()), ..with(b"INVOCATION_ID=1\0") };
        assert_eq!(beyond.loses(), Some(Loss::Binary("it is static".into())));
    }
}

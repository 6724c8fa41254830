//! Which log-ins read /etc/environment: those in whose stack pam_env(8) is. Distributions differ;
//! Debian's cron, login, sshd and su have it, and its sudo has not.

use std::collections::BTreeSet;
use std::path::Path;

use crate::root::Root;

/// Where the stacks are, each by the name of its service (pam.d(5)).
const STACKS: &str = "/etc/pam.d";
/// Includes that are followed at most.
const DEEPEST: usize = 8;

/// The services of PAM that open sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogIns {
    /// Those that read /etc/environment.
    pub with: Vec<String>,
    /// Those that do not.
    pub without: Vec<String>,
}

/// Reads the stacks of a system.
pub fn log_ins(root: &Root) -> LogIns {
    let names = root.names(Path::new(STACKS)).into_iter();
    let names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    let read = |name: &str| {
        let bytes = root.read(&Path::new(STACKS).join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    of(&names, read)
}

fn of(names: &[String], read: impl Fn(&str) -> Option<String>) -> LogIns {
    let mut found = LogIns::default();
    let mut parts = BTreeSet::new();
    let mut all = Vec::new();
    for name in names {
        let mut stack = Stack::default();
        stack.follow(name, &read, DEEPEST);
        // `su-l` includes `su`, and both are services.
        let is_other = |other: &&String| !name.starts_with(&format!("{other}-"));
        parts.extend(stack.includes.iter().filter(is_other).cloned());
        all.push((name, stack));
    }
    // What others include is no service itself; nor is what is taken where there is none.
    let services = all.iter().filter(|(name, _)| !parts.contains(*name) && *name != "other");
    for (name, stack) in services.filter(|(_, stack)| stack.has_session) {
        let list = if stack.reads_environment { &mut found.with } else { &mut found.without };
        list.push((*name).clone());
    }
    found.with.sort();
    found.without.sort();
    found
}

/// What the lines of a service come to.
#[derive(Default)]
struct Stack {
    includes: Vec<String>,
    has_session: bool,
    reads_environment: bool,
}

impl Stack {
    fn follow(&mut self, name: &str, read: &impl Fn(&str) -> Option<String>, left: usize) {
        let Some(text) = read(name).filter(|_| left > 0) else { return };
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let included = match words.as_slice() {
                ["@include", other, ..] | [_, "include" | "substack", other, ..] => Some(*other),
                _ => None,
            };
            if let Some(other) = included {
                self.includes.push(other.to_owned());
                self.follow(other, read, left - 1);
                continue;
            }
            let kind = words.first().map_or("", |kind| kind.trim_start_matches('-'));
            self.has_session |= kind == "session";
            let module = words.iter().position(|word| word.ends_with("pam_env.so"));
            if let Some(at) = module.filter(|_| ["session", "auth"].contains(&kind)) {
                let options = &words[at..];
                let file = options.iter().find_map(|option| option.strip_prefix("envfile="));
                self.reads_environment |= !options.contains(&"readenv=0")
                    && file.is_none_or(|file| file == "/etc/environment");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_reads_the_environment_where_pam_env_is_in_its_stack() {
        let files = [
            ("common-session", "session required pam_unix.so\n"),
            ("common-env", "session required pam_env.so\n"),
            (
                "cron",
                "@include common-session\nsession required pam_env.so envfile=/etc/default/locale\nsession       required   pam_env.so\n",
            ),
            ("login", "auth requisite pam_nologin.so\nsession required pam_env.so readenv=1\n"),
            (
                "sudo",
                "#%PAM-1.0\n# session required pam_env.so\nsession required pam_limits.so\n@include common-session\n",
            ),
            ("su", "session substack common-env\n"),
            ("su-l", "auth include su\n-session optional pam_systemd.so\n"),
            (
                "locale",
                "session required /usr/lib/security/pam_env.so envfile=/etc/default/locale\n",
            ),
            ("never", "session required pam_env.so readenv=0\n"),
            ("passwd", "password required pam_unix.so\n"),
            ("loop", "@include loop\nsession required pam_unix.so\n"),
            ("other", "session required pam_env.so\n"),
        ];
        let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        let read = |name: &str| {
            files.iter().find(|(other, _)| *other == name).map(|(_, text)| (*text).to_owned())
        };
        let found = of(&names, read);
        assert_eq!(found.with, ["cron", "login", "su", "su-l"]);
        assert_eq!(found.without, ["locale", "never", "sudo"]);
    }
}

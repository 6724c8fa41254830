//! AppArmor: which profile confines a process, whether it has kept the library out, and the lines that
//! let it in.
//!
//! A profile that is enforced lets a program map what it names: libraries of the system, by
//! abstractions/base of Debian and Ubuntu, and no others. ld.so says that the library cannot be preloaded,
//! and the program starts without it. That is seen at the process: it was told the library, has not mapped
//! it, and is confined.

use std::fs;
use std::path::{Path, PathBuf};

use crate::host::procfs::processes::maps_library;

/// A process with its profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOut {
    /// The process.
    pub pid: u32,
    /// The profile's name.
    pub profile: String,
    /// The library, as it was named to the process.
    pub library: String,
}

/// Where profiles are kept (apparmor.d(5)).
const PROFILES: &str = "/etc/apparmor.d";

/// The profile that is enforced in the text of `attr/current`: `NAME (enforce)`.
fn enforced(text: &str) -> Option<&str> {
    text.trim_end_matches(['\n', '\0']).strip_suffix(" (enforce)")
}

/// The library among what `LD_PRELOAD` names. The process chose that, and a line for root to paste has
/// it: so only what is a plain path, which neither a shell nor a profile reads as more.
fn ours(environment: &[u8]) -> Option<String> {
    let value =
        environment.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(b"LD_PRELOAD="))?;
    let value = String::from_utf8_lossy(value).into_owned();
    let is_ours = |name: &&str| {
        let file = name.rsplit('/').next().unwrap_or_default();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
        file.starts_with("libmptcpize")
            && file.ends_with(".so")
            && name.starts_with('/')
            && name.bytes().all(is_plain)
    };
    value.split([':', ' ']).find(is_ours).map(str::to_owned)
}

/// Has a profile kept the library out of this process? What may not be read is a no.
pub fn kept_out(pid: u32) -> Option<KeptOut> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    // The first is AppArmor's alone; the second is that of the module that came first, and the only one
    // of kernels before 5.8.
    let read = |name: &str| fs::read_to_string(process.join("attr").join(name)).ok();
    let text = read("apparmor/current").or_else(|| read("current"))?;
    let profile = enforced(&text)?.to_owned();
    let mapped = maps_library(&process).ok()?;
    // Read last: one that has ended by now has no mappings and no environment.
    let library = ours(&fs::read(process.join("environ")).ok()?)?;
    (!mapped).then_some(KeptOut { pid, profile, library })
}

/// The file that a profile is in, of those below `directory`.
fn file_of(profile: &str, directory: &Path) -> Option<(String, String)> {
    let mut entries: Vec<_> = fs::read_dir(directory).ok()?.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    entries.into_iter().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let text = fs::read_to_string(entry.path()).ok()?;
        text.lines().any(|line| begins(line, profile)).then_some((name, text))
    })
}

/// Does the line begin this profile? `profile NAME …{`, or a path alone, which is the name then.
fn begins(line: &str, profile: &str) -> bool {
    if !line.trim_end().ends_with('{') {
        return false;
    }
    let mut words = line.split_whitespace().map(|word| word.trim_matches('"'));
    match words.next() {
        Some("profile") => words.next() == Some(profile),
        first => first == Some(profile),
    }
}

impl KeptOut {
    /// The lines to paste: in the local additions of the profile's file, where it has them.
    pub fn fix(&self) -> String {
        self.fix_in(Path::new(PROFILES))
    }

    fn fix_in(&self, directory: &Path) -> String {
        let rule = format!("{} mr,", self.library);
        match file_of(&self.profile, directory) {
            Some((file, text)) => match local(&text, &file) {
                Some(additions) => format!(
                    "echo '{rule}' | sudo tee -a {PROFILES}/{additions} && \
                     sudo apparmor_parser -r {PROFILES}/{file}"
                ),
                None => format!(
                    "add the line {rule:?} to {PROFILES}/{file}, then: sudo apparmor_parser -r {PROFILES}/{file}"
                ),
            },
            None => format!("add the line {rule:?} to the profile {}", self.profile),
        }
    }
}

/// The file that the profile includes for additions of this host: `include <local/NAME>`, with `#` before
/// it or `if exists` in it.
fn local(text: &str, file: &str) -> Option<String> {
    let included = |line: &str| {
        let line = line.trim().trim_start_matches('#');
        let rest = line.strip_prefix("include")?.trim().trim_start_matches("if exists").trim();
        let name = rest.trim_matches(['<', '>', '"']);
        name.starts_with("local/").then(|| name.to_owned())
    };
    let all: Vec<String> = text.lines().filter_map(included).collect();
    let own = all.iter().find(|name| name.ends_with(&format!("/{file}")));
    own.or(all.first()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enforced_profile_is_told_from_others() {
        assert_eq!(enforced("named (enforce)\n"), Some("named"));
        assert_eq!(enforced("/usr/sbin/chronyd (enforce)"), Some("/usr/sbin/chronyd"));
        for other in ["unconfined\n", "named (complain)\n", "", "system_u:system_r:init_t:s0\0"] {
            assert_eq!(enforced(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_library_is_found_among_what_is_preloaded() {
        let table: [(&[u8], Option<&str>); 7] = [
            (
                b"A=1\0LD_PRELOAD=/usr/local/lib/mptcpize/units/libmptcpize.so:/x.so\0",
                Some("/usr/local/lib/mptcpize/units/libmptcpize.so"),
            ),
            (b"LD_PRELOAD=/x.so /c/libmptcpize-0a1b.so", Some("/c/libmptcpize-0a1b.so")),
            (b"LD_PRELOAD=/x/libmptcpize/y.so\0", None),
            (b"PATH=/usr/lib/mptcpize/units/libmptcpize.so\0", None),
            // A line with it is pasted by root.
            (b"LD_PRELOAD=/x';reboot;'/libmptcpize.so\0", None),
            (b"LD_PRELOAD=/x\n/**\trwx,/libmptcpize.so\0", None),
            (b"LD_PRELOAD=libmptcpize.so\0", None),
        ];
        for (environment, wanted) in table {
            assert_eq!(ours(environment).as_deref(), wanted);
        }
    }

    #[test]
    fn the_fix_goes_where_the_profile_takes_additions() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // As bind9, chrony and tor of Debian 12 have them.
        for (file, text) in [
            (
                "usr.sbin.named",
                "#include <tunables/global>\nprofile named /usr/sbin/named flags=(attach_disconnected) {\n  #include <abstractions/base>\n  # Site-specific additions\n  #include <local/usr.sbin.named>\n}\n",
            ),
            (
                "usr.sbin.chronyd",
                "/usr/sbin/chronyd flags=(attach_disconnected) {\n  include if exists <local/usr.sbin.chronyd>\n}\n",
            ),
            (
                "system_tor",
                "profile system_tor flags=(attach_disconnected) {\n  #include <abstractions/tor>\n}\n",
            ),
        ] {
            fs::write(directory.path().join(file), text).expect("it is ours");
        }
        let fix = |profile: &str| {
            let library = "/srv/libmptcpize.so".to_owned();
            KeptOut { pid: 1, profile: profile.to_owned(), library }.fix_in(directory.path())
        };
        assert_eq!(
            fix("named"),
            "echo '/srv/libmptcpize.so mr,' | sudo tee -a /etc/apparmor.d/local/usr.sbin.named && \
             sudo apparmor_parser -r /etc/apparmor.d/usr.sbin.named"
        );
        assert!(
            fix("/usr/sbin/chronyd").contains("local/usr.sbin.chronyd && sudo apparmor_parser")
        );
        assert!(
            fix("system_tor").starts_with(
                "add the line \"/srv/libmptcpize.so mr,\" to /etc/apparmor.d/system_tor"
            )
        );
        assert_eq!(fix("other"), "add the line \"/srv/libmptcpize.so mr,\" to the profile other");
    }
}

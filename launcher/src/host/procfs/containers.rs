//! The container that a process is in, by its control groups, and the name that the engine gave it.
//!
//! podman's name is read where it stands whatever storage, driver and user it has: among the arguments of
//! conmon(8), an ancestor of all that runs in the container. Its files lie where a setting says, below homes
//! that may be of a server that does not answer, and belong to users whose links would have to be
//! distrusted. Docker's shim has no name among its arguments, so its file is read.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use mptcpize_model::container::id::{self, Engine, Named};
use mptcpize_model::container::name;
use mptcpize_model::plain;
use mptcpize_model::program::Container;

/// How many ancestors are looked at: more than programs in containers have.
const GENERATIONS: usize = 64;

/// How much is read of conmon's arguments: the name is among the first 1,000 bytes.
const MOST_ARGUMENTS: u64 = 1 << 14;

/// How much is read of Docker's file: with many labels and variables it has some 100 KiB.
const MOST_FILE: u64 = 1 << 20;

/// What the kernel calls the process.
const CONMON: &str = "conmon";

/// The container that a process is in.
pub fn of(pid: u32) -> Option<Container> {
    let named = id::of(&groups(pid))?;
    let name = match named.engine {
        Engine::Conmon => of_conmon(pid, &named),
        Engine::Docker => of_docker(&named),
        Engine::Other => None,
    };
    // Whoever may make a group names it.
    Some(Container { id: plain::words(named.shown()).into_owned(), name })
}

fn groups(pid: u32) -> String {
    let groups = fs::read(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    String::from_utf8_lossy(&groups).into_owned()
}

/// The name that the nearest conmon above a process has for its container. One in the container is a program
/// that calls itself so.
fn of_conmon(pid: u32, container: &Named) -> Option<String> {
    let mut at = pid;
    for _ in 0..GENERATIONS {
        at = parent(at)?;
        let process = format!("/proc/{at}");
        let called = fs::read(format!("{process}/comm")).unwrap_or_default();
        if called.strip_suffix(b"\n") != Some(CONMON.as_bytes())
            || id::is_within(&groups(at), container)
        {
            continue;
        }
        let command = File::open(format!("{process}/cmdline")).ok()?;
        return name::of_conmon(&read(command, MOST_ARGUMENTS)?, container);
    }
    None
}

/// The parent of a process; none of the first one.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses is the process's own choice, with parentheses too: the last one ends it.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok().filter(|parent| *parent != 0)
}

/// The name in Docker's file. It is root's, and no link leads to it, lest somebody has another file read.
fn of_docker(container: &Named) -> Option<String> {
    let path = format!("/var/lib/docker/containers/{}/config.v2.json", container.whole);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let straight = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(CWD, path, flags, Mode::empty(), straight).ok()?);
    let found = file.metadata().ok()?;
    let trusted = found.is_file() && found.uid() == 0;
    let text = trusted.then(|| read(file, MOST_FILE)).flatten()?;
    docker_name(&text, container)
}

fn docker_name(text: &[u8], container: &Named) -> Option<String> {
    serde_json::from_slice::<name::Docker>(text).ok()?.name_of(container)
}

fn read(file: File, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_has_no_parent_and_this_one_has_its_own() {
        assert_eq!(parent(std::process::id()), Some(std::os::unix::process::parent_id()));
        assert_eq!(parent(1), None);
    }

    #[test]
    fn docker_s_file_names_its_own_container_and_no_other() {
        let digits = "3fa9c1b2d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f";
        let container = id::of(&format!("0::/docker/{digits}")).expect("a container");
        let other = digits.replace('3', "4");
        let deep = "[".repeat(100_000);
        let fine = format!(r#"{{"State":{{"Pid":1}},"ID":"{digits}","Name":"/web","Path":"x"}}"#);
        for (text, expected) in [
            (fine.clone(), Some("web")),
            (fine.replace("/web", "web"), None),
            (fine.replace(digits, &other), None),
            (fine.replace("/web", "/we\\u001b[2Jb"), None),
            (fine.replace("\"/web\"", "[]"), None),
            (fine.replace("\"x\"", &deep), None),
            (fine.replace("Name", "name"), None),
            (String::new(), None),
        ] {
            let found = docker_name(text.as_bytes(), &container);
            assert_eq!(found.as_deref(), expected, "{text:.200}");
        }
    }
}

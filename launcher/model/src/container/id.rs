//! The container that a process is in, by the names that engines give to control groups.

/// How much of an identifier `podman ps` and `docker ps` show.
const SHOWN: usize = 12;

/// Digits of the identifiers of all engines that follow OCI's tools (SHA-256).
const DIGITS: usize = 64;

/// What stands before an identifier, and whose it is. `libpod-payload-` is podman's under `--cgroups=split`,
/// which Quadlet always uses. With cgroupfs in place of systemd Docker and Kubernetes have the bare identifier.
const PREFIXES: [(&str, Engine); 6] = [
    ("libpod-payload-", Engine::Conmon),
    ("libpod-", Engine::Conmon),
    ("crio-", Engine::Conmon),
    ("docker-", Engine::Docker),
    ("cri-containerd-", Engine::Other),
    ("", Engine::Docker),
];

/// Who may know a container's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// podman and CRI-O: a process of conmon(8) above the container has it among its arguments.
    Conmon,
    /// Docker, perhaps: a file has it.
    Docker,
    /// The control group has all that is known: containerd; systemd-nspawn and LXC, whose name it is.
    Other,
}

/// A container, as a control group names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Who may know more.
    pub engine: Engine,
    /// All digits of the identifier, or the name of a machine of systemd-nspawn or LXC.
    pub whole: String,
}

impl Named {
    /// The first twelve digits, as engines list it; of a machine the name.
    pub fn shown(&self) -> &str {
        match is_digits(&self.whole) {
            true => self.whole.get(..SHOWN).unwrap_or(&self.whole),
            false => &self.whole,
        }
    }
}

/// The container of a process, from its /proc/PID/cgroup.
pub fn of(cgroups: &str) -> Option<Named> {
    // An engine within a container has the inner ones below its own.
    paths(cgroups).find_map(|path| path.rsplit('/').find_map(named))
}

/// Is a process in this container, or in one that runs in it? From its /proc/PID/cgroup.
pub fn is_within(cgroups: &str, container: &Named) -> bool {
    paths(cgroups).flat_map(|path| path.split('/')).filter_map(named).any(|one| one == *container)
}

fn paths(cgroups: &str) -> impl Iterator<Item = &str> {
    cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2))
}

fn is_digits(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn named(part: &str) -> Option<Named> {
    let stem = part.strip_suffix(".scope").unwrap_or(part);
    let identified = PREFIXES.iter().find_map(|(prefix, engine)| {
        let digits = stem.strip_prefix(prefix).filter(|digits| is_digits(digits))?;
        Some(Named { engine: *engine, whole: digits.to_owned() })
    });
    if identified.is_some() {
        return identified;
    }
    let machine = part.strip_prefix("lxc.payload.").or_else(|| {
        let escaped = part.strip_prefix("machine-")?.strip_suffix(".scope")?;
        (!escaped.is_empty()).then_some(escaped)
    });
    // systemd.unit(5) writes a dash so.
    let name = machine.filter(|name| !name.is_empty())?.replace("\\x2d", "-");
    Some(Named { engine: Engine::Other, whole: name })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3fa9c1b2d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f";

    #[test]
    fn engines_name_containers_and_nobody_else_does() {
        for (path, engine) in [
            (format!("0::/machine.slice/libpod-{ID}.scope"), Engine::Conmon),
            (format!("0::/machine.slice/libpod-{ID}.scope/container"), Engine::Conmon),
            (format!("0::/system.slice/web.service/libpod-payload-{ID}"), Engine::Conmon),
            (format!("1:cpu:/libpod_parent/libpod-{ID}"), Engine::Conmon),
            (
                format!(
                    "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"
                ),
                Engine::Conmon,
            ),
            (format!("0::/system.slice/docker-{ID}.scope"), Engine::Docker),
            (format!("9:name=systemd:/docker/{ID}"), Engine::Docker),
            (
                format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
                Engine::Other,
            ),
            (format!("0::/kubepods/besteffort/pod1/crio-{ID}"), Engine::Conmon),
            (format!("2:pids:/\n1:name=systemd:/docker/{ID}/init.scope\n0::/"), Engine::Docker),
        ] {
            let found = of(&path).expect(&path);
            assert_eq!((found.engine, found.whole.as_str()), (engine, ID), "{path}");
            assert_eq!(found.shown(), "3fa9c1b2d4e5", "{path}");
        }
        for (path, name) in [
            ("0::/machine.slice/machine-web\\x2d1.scope/payload", Some("web-1")),
            ("0::/lxc.payload.db/init.scope", Some("db")),
            ("0::/system.slice/nginx.service", None),
            ("0::/machine.slice/libpod-short.scope", None),
            ("0::/machine.slice/libpod-conmon.scope", None),
            ("0::/", None),
            ("", None),
            ("garbage", None),
        ] {
            assert_eq!(of(path).as_ref().map(Named::shown), name, "{path}");
        }
    }

    #[test]
    fn what_runs_in_a_container_is_within_it_wherever_it_puts_itself() {
        let container = of(&format!("0::/libpod-{ID}.scope")).expect("a container");
        let other = ID.replace('3', "4");
        for (path, expected) in [
            (format!("0::/libpod-{ID}.scope/supervisor"), true),
            (format!("0::/libpod-{ID}.scope/libpod-{other}.scope"), true),
            (format!("0::/libpod-conmon-{ID}.scope"), false),
            (format!("0::/libpod-{other}.scope"), false),
            ("0::/".to_owned(), false),
        ] {
            assert_eq!(is_within(&path, &container), expected, "{path}");
        }
    }
}

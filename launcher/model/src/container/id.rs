//! The container that a process is in, by the names that engines give to control groups.

/// How much of an identifier `podman ps` and `docker ps` show.
const SHOWN: usize = 12;

/// Digits of the identifiers of all engines that follow OCI's tools (SHA-256).
const DIGITS: usize = 64;

/// What stands before an identifier: `libpod-…` of podman, `docker-…`, `cri-containerd-…`, `crio-…`. With
/// cgroupfs in place of systemd Docker and Kubernetes have the bare identifier.
const PREFIXES: [&str; 5] = ["libpod-", "docker-", "cri-containerd-", "crio-", ""];

/// The container of a process, from its /proc/PID/cgroup: the first twelve digits, as engines list it; for
/// machines of systemd-nspawn and LXC the name.
pub fn of(cgroups: &str) -> Option<String> {
    let paths = cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    // An engine within a container has the inner ones below its own.
    paths.filter_map(|path| path.rsplit('/').find_map(name)).next()
}

fn name(part: &str) -> Option<String> {
    let stem = part.strip_suffix(".scope").unwrap_or(part);
    let is_digits =
        |text: &&str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let identifier = PREFIXES.iter().find_map(|prefix| stem.strip_prefix(prefix).filter(is_digits));
    if let Some(identifier) = identifier {
        return identifier.get(..SHOWN).map(str::to_owned);
    }
    let named = part.strip_prefix("lxc.payload.").or_else(|| {
        let escaped = part.strip_prefix("machine-")?.strip_suffix(".scope")?;
        (!escaped.is_empty()).then_some(escaped)
    });
    // systemd.unit(5) writes a dash so.
    named.filter(|name| !name.is_empty()).map(|name| name.replace("\\x2d", "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_name_containers_and_nobody_else_does() {
        let id = "3fa9c1b2d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f";
        let short = Some("3fa9c1b2d4e5".to_owned());
        for path in [
            format!("0::/machine.slice/libpod-{id}.scope"),
            format!("0::/machine.slice/libpod-{id}.scope/container"),
            format!("1:cpu:/libpod_parent/libpod-{id}"),
            format!(
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope"
            ),
            format!("0::/system.slice/docker-{id}.scope"),
            format!("9:name=systemd:/docker/{id}"),
            format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
            format!("0::/kubepods/besteffort/pod1/crio-{id}"),
            format!("2:pids:/\n1:name=systemd:/docker/{id}/init.scope\n0::/"),
        ] {
            assert_eq!(of(&path), short, "{path}");
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
            assert_eq!(of(path).as_deref(), name, "{path}");
        }
    }
}

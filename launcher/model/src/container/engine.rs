//! Which release of an engine of containers reads the Container Device Interface.

/// An engine, as it names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// The command that prints the release with `--version`.
    pub command: &'static str,
    /// The first release that reads the interface.
    pub since: (u32, u32),
    /// The first that does so without being told to.
    pub by_itself: (u32, u32),
    /// What tells those between to.
    pub switch: &'static str,
}

/// The engines that have it.
pub const ENGINES: [Engine; 4] = [
    Engine { command: "podman", since: (4, 1), by_itself: (4, 1), switch: "" },
    Engine {
        command: "dockerd",
        since: (25, 0),
        by_itself: (28, 2),
        switch: "{\"features\": {\"cdi\": true}} in /etc/docker/daemon.json",
    },
    Engine {
        command: "containerd",
        since: (1, 7),
        by_itself: (2, 0),
        switch: "enable_cdi = true in its CRI plugin (/etc/containerd/config.toml)",
    },
    Engine { command: "crio", since: (1, 23), by_itself: (1, 23), switch: "" },
];

impl Engine {
    /// What to know about this engine, by what it prints as its version; `None` where it reads the interface,
    /// or the release cannot be told.
    pub fn remark(&self, printed: &str) -> Option<String> {
        let found = release(printed)?;
        let (command, (major, minor)) = (self.command, found);
        let since = format!("{}.{}", self.since.0, self.since.1);
        if found < self.since {
            return Some(format!(
                "{command} {major}.{minor} is too old for devices of this kind (--device): from {since} on"
            ));
        }
        (found < self.by_itself).then(|| {
            format!("{command} {major}.{minor} reads such devices when told to: {}", self.switch)
        })
    }
}

/// The first number of two parts in a line: of `podman version 4.3.1`, 4 and 3.
fn release(printed: &str) -> Option<(u32, u32)> {
    printed.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').split(['.', '-', '+', ',']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_too_old_or_wants_to_be_told_is_named() {
        let table = [
            (0, "podman version 3.4.4", "podman 3.4 is too old for devices"),
            (0, "podman version 4.3.1", ""),
            (0, "podman version 5.4.2-dev", ""),
            (1, "Docker version 20.10.24+dfsg1, build 297e128", "dockerd 20.10 is too old"),
            (1, "Docker version 26.1.5+dfsg1, build a72d7cd", "\"cdi\": true"),
            (1, "Docker version 28.2.2, build e6534b4", ""),
            (
                2,
                "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1",
                "too old",
            ),
            (2, "containerd github.com/containerd/containerd/v2 v2.0.0 207ad711eabd", ""),
            (3, "crio version 1.30.2", ""),
            (0, "no number here", ""),
            (0, "", ""),
        ];
        for (index, printed, wanted) in table {
            let remark = ENGINES[index].remark(printed).unwrap_or_default();
            assert_eq!(remark.is_empty(), wanted.is_empty(), "{printed}: {remark}");
            assert!(remark.contains(wanted), "{printed}: {remark}");
        }
    }
}

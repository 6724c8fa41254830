//! The file of the Container Device Interface (CDI) that makes `--device mptcpize.org/shim=NAME` a way to get
//! the library: its text, and whether a file is ours. Pure.
//!
//! What is used of the interface is in its first version, 0.3.0, so that every engine that has it reads the
//! file. JSON has no comments and the interface refuses fields that it does not know: a file is ours by its
//! `kind`.

use serde::{Deserialize, Serialize};

use crate::container::asked::LIBRARY;

/// The first version. A mount's `type` (0.4.0) and names that begin with a digit (0.5.0) are not needed.
pub const VERSION: &str = "0.3.0";

/// The kind: a vendor's domain, which nobody looks up, and a class of its devices. Of the project's own name,
/// so that no other vendor's file has it; `shim` is what the device is, the library in a program.
pub const KIND: &str = "mptcpize.org/shim";

/// Where the library is in a container. Below /usr/lib no volume is mounted, as they are on /run, /tmp, /var,
/// /opt and /srv; no package has this directory.
pub const INSIDE: &str = "/usr/lib/mptcpize/containers/libmptcpize.so";

/// The file for administrators. Packages and what runs write to /var/run/cdi.
pub const FILE: &str = "/etc/cdi/mptcpize.json";

/// The directories that engines read unless they are told otherwise; a device in a later one counts more.
pub const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// The end of a file whose directory was not there before: JSON has room for this alone.
pub const MADE_DIRECTORY: &str = "}\n\n";

/// One device of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What stands after `mptcpize.org/shim=`.
    pub name: String,
    /// Variables that it sets, `NAME=value`.
    pub environment: Vec<String>,
}

/// The file, as it stands in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    cdi_version: String,
    kind: String,
    devices: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: String,
    container_edits: Edits,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edits {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    mounts: Vec<Mount>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mount {
    host_path: String,
    container_path: String,
    options: Vec<String>,
}

impl File {
    /// These devices and the one that has the library alone, each with the library, which is at `library` on
    /// the host.
    pub fn new(devices: &[Device], library: &str) -> Self {
        let alone = Device { name: LIBRARY.to_owned(), environment: Vec::new() };
        let all = devices.iter().chain([&alone]).map(|device| Entry {
            name: device.name.clone(),
            container_edits: Edits {
                env: device.environment.clone(),
                mounts: vec![Mount {
                    host_path: library.to_owned(),
                    container_path: INSIDE.to_owned(),
                    options: ["ro", "nosuid", "nodev", "bind"].map(str::to_owned).to_vec(),
                }],
            },
        });
        File { cdi_version: VERSION.to_owned(), kind: KIND.to_owned(), devices: all.collect() }
    }

    /// Its devices, where it is ours.
    pub fn devices(self) -> Option<Vec<Device>> {
        let device =
            |entry: Entry| Device { name: entry.name, environment: entry.container_edits.env };
        (self.kind == KIND).then(|| self.devices.into_iter().map(device).collect())
    }
}

/// Has a file of another, in JSON or YAML, devices of our kind? It may be broken in the rest.
pub fn has_our_kind(text: &str) -> bool {
    let unquoted = |text: &str| text.replace(['"', '\''], "");
    let text: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .map(unquoted)
        .collect::<Vec<_>>()
        .join("\n");
    text.match_indices(KIND).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + KIND.len()..]);
        let is_key = before
            .trim_end()
            .strip_suffix(':')
            .is_some_and(|before| before.trim_end().ends_with("kind"));
        is_key
            && !after.starts_with(|next: char| next.is_ascii_alphanumeric() || "-_.".contains(next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_others_are_not_ours() {
        let device = Device { name: "run".into(), environment: vec!["LD_PRELOAD=/x".into()] };
        let file = File::new(std::slice::from_ref(&device), "/usr/lib/a.so");
        let text = serde_json::to_string_pretty(&file).expect("it is data");
        let alone = Device { name: "library".into(), environment: vec![] };
        let read = |text: &str| serde_json::from_str::<File>(text).ok().and_then(File::devices);
        assert_eq!(read(&text), Some(vec![device, alone]));
        assert!(has_our_kind(&text));
        for other in
            ["", "{}", "[", &text.replace("shim", "gpu"), &text.replace("\"env\"", "\"end\"")]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn the_kind_is_found_in_files_of_every_style() {
        for text in [
            "cdiVersion: 0.5.0\nkind: mptcpize.org/shim\n",
            "kind: 'mptcpize.org/shim'",
            "\"kind\" : \"mptcpize.org/shim\",",
            "{\"cdiVersion\":\"0.3.0\",\"kind\":\"mptcpize.org/shim\",\"devices\":[]}",
            "{\"kind\":\n\"mptcpize.org/shim\"",
            "---\nkind:   \"mptcpize.org/shim\"  # ours",
        ] {
            assert!(has_our_kind(text), "{text}");
        }
        for text in [
            "kind: nvidia.com/gpu",
            "kind: mptcpize.org/shims",
            "kind: mptcpize.org/shim-2",
            "name: mptcpize.org/shim",
            "# kind: mptcpize.org/shim",
            "",
        ] {
            assert!(!has_our_kind(text), "{text}");
        }
    }
}

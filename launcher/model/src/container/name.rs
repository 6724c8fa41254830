//! The name of a container, from what its engine leaves for others to see: the arguments of conmon(8), and
//! Docker's file. Both are foreign text: a name that no engine would take is none.
//!
//! Not here: which process and which file that is (`host::procfs::containers` of the launcher).

use serde::Deserialize;

use crate::container::id::Named;

/// The longest name that is shown. Engines have no bound; names of files, which several of them make of it, end
/// here.
const MOST: usize = 255;

/// The name among the arguments of conmon(8), as /proc/PID/cmdline has them: podman and CRI-O start it with
/// `-c IDENTIFIER … -n NAME`, for `exec` too. None where it is somebody else's.
pub fn of_conmon(command: &[u8], container: &Named) -> Option<String> {
    let mut words = command.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = words.next()?;
    if program.rsplit('/').next() != Some("conmon") {
        return None;
    }
    let words: Vec<_> = words.collect();
    // The first of each: further ones may be arguments that conmon only hands on.
    let after = |option: &str| {
        let place = words.iter().position(|word| word == option)?;
        words.get(place + 1).map(|word| word.as_ref())
    };
    (after("-c") == Some(&container.whole)).then(|| after("-n").and_then(name)).flatten()
}

/// The `config.v2.json` that Docker keeps of each container, as far as it matters here: `"Name":"/web"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Docker {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Name")]
    name: String,
}

impl Docker {
    /// The name; none where the file is another container's.
    pub fn name_of(&self, container: &Named) -> Option<String> {
        (self.id == container.whole).then(|| name(self.name.strip_prefix('/')?)).flatten()
    }
}

/// What podman and Docker take for a name: letters and digits, and `_`, `.`, `-` after the first.
fn name(text: &str) -> Option<String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let fine = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(inner)
        && text.len() <= MOST;
    fine.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::id;

    const ID: &str = "3fa9c1b2d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f";

    fn container() -> Named {
        id::of(&format!("0::/libpod-{ID}.scope")).expect("a container")
    }

    #[test]
    fn conmon_names_its_own_container_and_no_other() {
        let of = |words: &str| of_conmon(words.replace(' ', "\0").as_bytes(), &container());
        let other = ID.replace('3', "4");
        let long = "a".repeat(256);
        for (words, expected) in [
            (format!("/usr/bin/conmon --api-version 1 -c {ID} -u {ID} -n web -l x"), Some("web")),
            (
                format!("conmon -c {ID} -n my.web_1-a --exit-command-arg -n other"),
                Some("my.web_1-a"),
            ),
            (format!("conmon -c {other} -n web"), None),
            (format!("sh -c {ID} -n web"), None),
            (format!("conmon -c {ID} -n"), None),
            (format!("conmon -c {ID}"), None),
            (format!("conmon -c {ID} -n {long}"), None),
            (format!("conmon -c {ID} -n \x1b[2J"), None),
            (format!("conmon -c {ID} -n we\nb"), None),
            (format!("conmon -c {ID} -n w\u{202e}eb"), None),
            (String::new(), None),
        ] {
            assert_eq!(of(&words).as_deref(), expected, "{words:?}");
        }
    }
}

//! Which container a process is in, and its name: control groups, conmon's arguments, Docker's file.

use mptcpize_model::container::{id, name};

use super::two;

/// A container that a text names holds the process that has the text; and what is taken for a name could be one,
/// whatever a terminal or a table makes of other characters.
pub(crate) fn container(bytes: &[u8]) {
    let (groups, told) = two(bytes);
    let groups = String::from_utf8_lossy(groups);
    let Some(container) = id::of(&groups) else { return };
    assert!(id::is_within(&groups, &container), "{groups:?}");
    assert!(!container.shown().is_empty() && container.whole.starts_with(container.shown()));
    let docker = serde_json::from_slice::<name::Docker>(told).ok();
    let docker = docker.and_then(|docker| docker.name_of(&container));
    for name in [name::of_conmon(told, &container), docker].into_iter().flatten() {
        let inner = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
        assert!(name.chars().all(inner) && (1..=255).contains(&name.len()), "{name:?}");
    }
}

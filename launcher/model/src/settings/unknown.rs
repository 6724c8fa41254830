//! What an unknown key in /etc/mptcpize.toml was meant to be.

use super::Section;
use crate::nearest::distance;

/// What was meant by a key that its section does not have: one of this section with nearly that name, or
/// else one of another section with that name. `None` where neither is there.
pub fn meant(key: &str, section: &str, all: &[Section]) -> Option<String> {
    let word = word(key);
    let here = all.iter().find(|one| is(one, section));
    let keys = here.into_iter().flat_map(|one| &one.keys).map(|setting| setting.key);
    let sections = all.iter().filter(|_| section.is_empty()).filter_map(|one| top(&one.name));
    let away = |name: &&str| distance(&word, name);
    let nearest = keys.chain(sections).filter(|name| *name != "LINK").min_by_key(away);
    // Further away than a third of the letters it would be another word.
    if let Some(name) = nearest.filter(|name| away(name) <= 1.max(name.len() / 3)) {
        return Some(format!("did you mean `{name}`?"));
    }
    let mut places = all.iter().filter_map(|one| {
        let has = one.keys.iter().any(|setting| setting.key == word);
        has.then(|| match one.name.as_str() {
            "" => "before the first section".to_owned(),
            name => format!("in [{name}]"),
        })
    });
    let first = places.next()?;
    let places: String = places.map(|place| format!(" or {place}")).collect();
    Some(format!("`{word}` stands {first}{places}"))
}

/// Is it the section of this name, as it stands in the file?
fn is(section: &Section, name: &str) -> bool {
    match section.name.strip_suffix("NAME") {
        Some(before) => name.starts_with(before),
        None => section.name == name,
    }
}

/// The first part of the name of a section.
fn top(name: &str) -> Option<&str> {
    name.split('.').next().filter(|name| !name.is_empty())
}

/// As the names of keys are written.
fn word(key: &str) -> String {
    key.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::settings::{Table, sections};

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest_or_with_its_place() {
        let all = sections(Config::table());
        for (key, section, expected) in [
            ("rolle", "", Some("did you mean `role`?")),
            ("max-subflows", "", Some("did you mean `max_subflows`?")),
            ("Backup", "", Some("did you mean `backup`?")),
            ("realy", "", Some("did you mean `relay`?")),
            ("loopbakc", "sockets", Some("did you mean `loopback`?")),
            ("lopback", "containers.redis", Some("did you mean `loopback`?")),
            ("except_users", "system", Some("did you mean `exclude_users`?")),
            ("only_ports", "", Some("`only_ports` stands in [containers.NAME] or in [sockets]")),
            ("backup", "relay", Some("`backup` stands before the first section")),
            ("exclude-users", "sockets", Some("`exclude_users` stands in [system]")),
            ("qiuc", "gateway", Some("did you mean `quic`?")),
            ("handshakes", "gateway.limits", Some("did you mean `handshakes_s`?")),
            ("colour", "", None),
        ] {
            assert_eq!(meant(key, section, &all).as_deref(), expected, "{key} in [{section}]");
        }
    }
}

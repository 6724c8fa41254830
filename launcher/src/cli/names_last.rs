//! Names of links on the command line of `endpoint` that look like options.

use std::ffi::OsString;

/// Puts each `dev IF` of a command line of `endpoint` behind a `--`, where a name begins with a hyphen:
/// after `dev` comes a name, whatever it looks like, and clap would take it for an option. The words
/// may stand in any order.
pub(super) fn names_last(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut names: Vec<OsString> = Vec::new();
    let mut rest = arguments.iter().cloned();
    // The program's name and `endpoint`.
    kept.extend(rest.by_ref().take(2));
    let mut verb = false;
    let mut behind = Vec::new();
    while let Some(word) = rest.next() {
        let is_dev = |word: &str| !word.is_empty() && "dev".starts_with(word);
        match word.to_str() {
            Some("--") => behind.extend(rest.by_ref()),
            Some("--netns") => kept.extend([word].into_iter().chain(rest.next())),
            Some(text) if verb && is_dev(text) => {
                names.extend([word].into_iter().chain(rest.next()));
            }
            text => {
                // What comes first is `add` or another verb, which may be cut short, too.
                verb |= !text.is_some_and(|text| text.starts_with('-'));
                kept.push(word);
            }
        }
    }
    if !names.iter().any(|name| name.as_encoded_bytes().starts_with(b"-")) {
        return arguments;
    }
    kept.push("--".into());
    kept.into_iter().chain(names).chain(behind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_interface_is_no_option() {
        let table = [
            ("add 192.0.2.1 dev e0 subflow", "add 192.0.2.1 dev e0 subflow"),
            ("add 192.0.2.1 dev -v subflow", "add 192.0.2.1 subflow -- dev -v"),
            ("add dev --help 192.0.2.1 -j", "add 192.0.2.1 -j -- dev --help"),
            ("add d -v -f --netns dev 192.0.2.1", "add -f --netns dev 192.0.2.1 -- d -v"),
            ("add dev -- id 3 --netns x", "add id 3 --netns x -- dev --"),
            ("add dev a dev -b -- 192.0.2.1 dev c", "add -- dev a dev -b 192.0.2.1 dev c"),
            ("-j d id 3", "-j d id 3"),
            ("d -j id 3", "d -j id 3"),
            ("add 192.0.2.1 dev", "add 192.0.2.1 dev"),
            ("", ""),
        ];
        for (line, expected) in table {
            let whole = format!("mptcpize endpoint {line}");
            let made = names_last(whole.split_whitespace().map(OsString::from).collect());
            let made: Vec<&str> = made[2..].iter().filter_map(|word| word.to_str()).collect();
            assert_eq!(made.join(" "), expected, "{line}");
        }
    }
}

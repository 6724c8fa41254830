//! The text of /etc/mptcpize.toml, read into the settings that it stands for.

use mptcpize_model::config::Config;
use mptcpize_model::gateway::asked::Asked;
use mptcpize_model::settings::{Table, sections, unknown};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Reads the text of a settings file.
///
/// # Errors
/// What is wrong with it, with line and column, as the TOML reader words it, and what was meant by a key
/// that is not known; or which setting is out of its range.
pub fn read(text: &str) -> Result<Config, String> {
    let config: Config = parsed(text)?;
    config.check()?;
    gateway(text)?;
    Ok(config)
}

/// What the text says of a gateway: the settings of `[gateway]`, beside the gateways of links.
///
/// # Errors
/// As [`read`].
pub fn gateway(text: &str) -> Result<Asked, String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct File {
        gateway: Asked,
    }
    let file: File = parsed(text)?;
    file.gateway.check()?;
    Ok(file.gateway)
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let whole = error.to_string();
        let Some((key, section)) = unknown_key(text, &error) else { return whole };
        let said = match error.message().split_once("`, expected ") {
            // Instead of all keys that there are, which fill half a screen.
            Some((unknown, _)) => format!("{unknown}`"),
            None => error.message().trim_end().to_owned(),
        };
        whole.replace(error.message(), &format!("{said}: {}", hint(&key, &section)))
    })
}

/// The key that an error is about, if it is that the key is not known, and the section that it is in.
fn unknown_key(text: &str, error: &toml::de::Error) -> Option<(String, String)> {
    let before = text.get(..error.span()?.start)?;
    let header = before.lines().rev().find_map(|line| line.trim().strip_prefix('['));
    let section = header.and_then(|name| name.split(']').next()).unwrap_or_default().trim();
    let key = match error.message().strip_prefix("unknown field `") {
        Some(rest) => rest.split('`').next()?,
        // There, what is no key is a link, and its value the address of a gateway.
        None if section == "gateway" && error.message().contains("no IP address") => {
            before.rsplit('\n').next()?.split('=').next()?.trim()
        }
        None => return None,
    };
    Some((key.to_owned(), section.to_owned()))
}

/// What was meant, and where the keys are described.
fn hint(key: &str, section: &str) -> String {
    let page = "man 5 mptcpize.toml has them all";
    match unknown::meant(key, section, &sections(Config::table())) {
        Some(meant) => format!("{meant} ({page})"),
        None => page.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_file_is_told_with_its_place() {
        let table = [
            ("rolle = \"client\"\n", "did you mean `role`?", "line 1, column 1"),
            (
                "only_ports = [1]\n",
                "stands in [containers.NAME] or in [sockets]",
                "line 1, column 1",
            ),
            ("[relay]\nhots = true\n", "did you mean `host`? (man 5", "line 2, column 1"),
            ("[gateway]\nqiuc = \"block\"\n", "did you mean `quic`? (man 5", "line 2, column 8"),
            ("role = \"client\"\nonly = 3\n", "invalid type", "line 2, column 8"),
            ("role = \"boss\"\n", "unknown variant", "line 1, column 8"),
            ("only = [\"a/b\"]\n", "interface name", "line 1, column 8"),
            ("probe = \"example.org:443\"\n", "socket address", "line 1, column 9"),
            ("[gateway]\nwwan0 = \"10.0.0\"\n", "IP address", "line 2, column 9"),
            ("[gateway]\nlan = \"br0\"\n", "such as [\"br0\"]", "line 2, column 7"),
            ("[gateway]\nqiuc = \"block\"\n", "lan_address, dhcp, quic", "line 2, column 8"),
            ("[gateway]\nlna = [\"br0\"]\n", "settings beside those", "line 2, column 7"),
            ("[relay]\nhots = true\n", "unknown field `hots`", "line 2, column 1"),
            ("[relay]\nuse = \"a/b\"\n", "a name has", "line 2, column 7"),
            ("[relay]\npolicy = \"never\"\n", "without-mptcp", "line 2, column 10"),
            ("[relay]\nproxy = \"1080\"\n", "socket address", "line 2, column 9"),
            (
                "[relay]\nnever = [\"10.0.0.0/33\"]\n",
                "not an address or a network",
                "line 2, column 9",
            ),
        ];
        for (text, what, place) in table {
            let error = read(text).expect_err(text);
            assert!(error.contains(what), "{error}");
            assert!(error.contains(place), "{error}");
        }
        assert!(read("max_subflows = 9").expect_err("over the range").contains("0 to 8"));
        let open = read("[relay]\nproxy = \"0.0.0.0:1080\"\n").expect_err("open to others");
        assert!(open.contains("such as 127.0.0.1:1080"), "{open}");
    }
}

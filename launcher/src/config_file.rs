//! The text of /etc/mptcpize.toml, read into the settings that it stands for.

use mptcpize_model::config::Config;
use mptcpize_model::gateway::asked::Asked;
use serde::Deserialize;

/// Reads the text of a settings file.
///
/// # Errors
/// What is wrong with it, with line and column, as the TOML reader words it; or which setting is out
/// of its range.
pub fn read(text: &str) -> Result<Config, String> {
    let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
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
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    file.gateway.check()?;
    Ok(file.gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_file_is_told_with_its_place() {
        let table = [
            ("rolle = \"client\"\n", "rolle", "line 1, column 1"),
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
